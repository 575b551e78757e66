//! The `observe` function: settings and clients, once, and then one wave a call.

use jiff::SignedDuration;
use observe::Ports;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::lambda;
use tidegate_aws::mgn::SdkMgn;
use tidegate_aws::ssm::SdkSsm;
use tidegate_ec2::SdkEc2;
use tidegate_ports::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_tracing();
    let mut environment = Environment::of_process();
    let table = environment.table("TIDEGATE_TABLE");
    let account = environment.account("TIDEGATE_ACCOUNT");
    let region = environment.text("AWS_REGION");
    let lease = environment.number("TIDEGATE_LEASE_SECONDS", 180, 10, 3_600);
    let lease = SignedDuration::from_secs(lease);
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let store = DynamoStore::new(clients::dynamo(&config), &table, &account, &region);
    let ports = Ports {
        drivers: &store,
        observations: &store,
        mgn: &SdkMgn::new(&config),
        commands: &SdkSsm::new(&config),
        ec2: &SdkEc2::new(&config),
        clock: &SystemClock,
    };
    lambda::run(async |request, _until| observe::handle(request, &ports, lease).await).await
}
