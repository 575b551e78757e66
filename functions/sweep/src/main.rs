//! The `sweep` function: settings and clients, once, and then every wave that is due, a call a minute.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

use jiff::SignedDuration;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::lambda;
use tidegate_aws::sfn::SfnExecutions;
use tidegate_ports::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_tracing();
    let mut environment = Environment::of_process();
    let table = environment.table("TIDEGATE_TABLE");
    let account = environment.account("TIDEGATE_ACCOUNT");
    let region = environment.text("AWS_REGION");
    let state_machine = environment.arn("TIDEGATE_STATE_MACHINE_ARN", "states");
    let lease = environment.number("TIDEGATE_LEASE_SECONDS", 180, 10, 3_600);
    let lease = SignedDuration::from_secs(lease);
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let store = DynamoStore::new(clients::dynamo(&config), &table, &account, &region);
    let executions = SfnExecutions::new(&config, &state_machine);
    lambda::run(async |request, _until| {
        sweep::handle(request, &store, &executions, &SystemClock, lease).await
    })
    .await
}
