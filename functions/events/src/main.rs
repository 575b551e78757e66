//! The `events` function: settings and clients, once, and then one event a call.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

use events::Place;
use serde_json::Value;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::lambda;
use tidegate_aws::sfn::SfnExecutions;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_tracing();
    let mut environment = Environment::of_process();
    let table = environment.table("TIDEGATE_TABLE");
    let account = environment.account("TIDEGATE_ACCOUNT");
    let region = environment.text("AWS_REGION");
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let store = DynamoStore::new(clients::dynamo(&config), &table, &account, &region);
    let executions = SfnExecutions::new(&config, "");
    let place = Place { account, region };
    lambda::run(async |event: Value, _until| {
        let event = event.to_string();
        events::handle(
            event.as_bytes(),
            &place,
            &store,
            &store,
            &store,
            &executions,
        )
        .await
    })
    .await
}
