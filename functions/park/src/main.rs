//! The `park` function: settings and clients, once, and then one driver that goes to sleep a call.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

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
    lambda::run(async |request, _until| park::handle(request, &store, &executions).await).await
}
