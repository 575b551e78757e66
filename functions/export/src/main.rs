//! The `export` function: settings and clients, once, and then what is new, a call for each change.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

use export::Ports;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::eventbridge::EventBridgeBus;
use tidegate_aws::kms::KmsSigner;
use tidegate_aws::lambda;
use tidegate_aws::s3::S3Archive;
use tidegate_ports::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_tracing();
    let mut environment = Environment::of_process();
    let table = environment.table("TIDEGATE_TABLE");
    let account = environment.account("TIDEGATE_ACCOUNT");
    let region = environment.text("AWS_REGION");
    let key = environment.arn("TIDEGATE_AUDIT_KEY", "kms");
    let bucket = environment.bucket("TIDEGATE_AUDIT_BUCKET");
    let bus = environment.bus("TIDEGATE_EVENT_BUS");
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let ports = Ports {
        table: &DynamoStore::new(clients::dynamo(&config), &table, &account, &region),
        signer: &KmsSigner::new(&config, &key),
        archive: &S3Archive::new(&config, &bucket),
        bus: &EventBridgeBus::new(&config, &bus),
        clock: &SystemClock,
    };
    lambda::run(async |request, until| export::handle(request, &ports, until).await).await
}
