//! The `console` function: settings and clients, once, and then one request a call.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

use console::{Books, Ports, SlackDoor};
use jiff::SignedDuration;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::kms::KmsSigner;
use tidegate_aws::lambda;
use tidegate_aws::s3::S3Archive;
use tidegate_aws::sfn::SfnExecutions;
use tidegate_aws::slack::SlackClient;
use tidegate_ports::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_tracing();
    let mut environment = Environment::of_process();
    let table = environment.table("TIDEGATE_TABLE");
    let account = environment.account("TIDEGATE_ACCOUNT");
    let region = environment.text("AWS_REGION");
    let state_machine = environment.arn("TIDEGATE_STATE_MACHINE_ARN", "states");
    let key = environment.arn("TIDEGATE_SIGNING_KEY", "kms");
    let audit_key = environment.arn("TIDEGATE_AUDIT_KEY", "kms");
    let audit_bucket = environment.bucket("TIDEGATE_AUDIT_BUCKET");
    let lease = environment.number("TIDEGATE_LEASE_SECONDS", 180, 10, 3_600);
    let lease = SignedDuration::from_secs(lease);
    let console_url = environment.url("TIDEGATE_CONSOLE_URL");
    let slack_parameter = environment.parameter("TIDEGATE_SLACK_PARAMETER");
    let slack_stand_in = environment.stand_in("TIDEGATE_SLACK_STAND_IN");
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let store = DynamoStore::new(clients::dynamo(&config), &table, &account, &region);
    let signer = KmsSigner::new(&config, &key);
    let ports = Ports {
        waves: &store,
        inbox: &store,
        drivers: &store,
        owners: &store,
        executions: &SfnExecutions::new(&config, &state_machine),
        signer: &signer,
        clock: &SystemClock,
    };
    let slack = SlackDoor {
        clicks: &SlackClient::new(&config, &slack_parameter, &slack_stand_in),
        console_url: &console_url,
    };
    let books = Books {
        records: &store,
        archive: &S3Archive::new(&config, &audit_bucket),
        key: &signer.with_key(&audit_key),
    };
    lambda::run(async |request, _until| {
        Ok(console::handle(request, &ports, &slack, &books, lease).await)
    })
    .await
}
