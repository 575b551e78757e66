//! The `finalize` function: settings and clients, once, and then one effect a call.

use finalize::Ports;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::lambda;
use tidegate_aws::mgn::SdkMgn;
use tidegate_ports::clock::SystemClock;

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
    let mgn = SdkMgn::new(&config);
    let ports = Ports {
        effects: &store,
        finalizes: &mgn,
        mgn: &mgn,
        clock: &SystemClock,
    };
    lambda::run(async |request, until| finalize::handle(request, &ports, until).await).await
}
