//! The table's contract on the local DynamoDB: once as it is, and once with the first answer to
//! every write lost.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use tidegate_aws::clients;
use tidegate_aws::dynamo::{DynamoStore, TransactionConflicts};
use tokio::sync::OnceCell;

/// A store over the table that all cases share. Each case has a client of its own: connections
/// belong to the runtime that made them.
async fn store() -> DynamoStore {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let client = clients::dynamo(&crate::ministack::config());
    MADE.get_or_init(|| crate::table::create(&client, "contract"))
        .await;
    DynamoStore::new(client, "contract", "000000000000", "us-east-1")
}

/// The same, over another table, and with answers lost.
async fn forgetful_store() -> DynamoStore {
    static MADE: OnceCell<()> = OnceCell::const_new();
    let config = crate::ministack::config();
    MADE.get_or_init(async || crate::table::create(&Client::new(&config), "forgetful").await)
        .await;
    // Retries are rationed, which is not what is tested here.
    let retries = RetryPartition::custom("forgetful").token_bucket(TokenBucket::unlimited());
    let config = aws_sdk_dynamodb::config::Builder::from(&config)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(8)
                .with_initial_backoff(Duration::from_millis(1)),
        )
        .retry_partition(retries.build())
        .retry_classifier(TransactionConflicts)
        .interceptor(crate::lost_answers::LostAnswers)
        .build();
    DynamoStore::new(
        Client::from_conf(config),
        "forgetful",
        "000000000000",
        "us-east-1",
    )
}

mod with_every_answer {
    tidegate_world::store_contract!(super::store);
}

mod with_answers_lost {
    tidegate_world::store_contract!(super::forgetful_store);
}
