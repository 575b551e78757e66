//! The `advance` function: settings and clients, once, and then one turn a call.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

use advance::Pace;
use jiff::SignedDuration;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::lambda;
use tidegate_ports::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_tracing();
    let mut environment = Environment::of_process();
    let table = environment.table("TIDEGATE_TABLE");
    let account = environment.account("TIDEGATE_ACCOUNT");
    let region = environment.text("AWS_REGION");
    let pace = Pace {
        settle_seconds: environment.number("TIDEGATE_SETTLE_SECONDS", 3, 0, 60),
        lease: SignedDuration::from_secs(environment.number(
            "TIDEGATE_LEASE_SECONDS",
            180,
            10,
            3_600,
        )),
    };
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let store = DynamoStore::new(clients::dynamo(&config), &table, &account, &region);
    lambda::run(async |request, _until| advance::handle(request, &store, &SystemClock, pace).await)
        .await
}
