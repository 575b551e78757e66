//! The `notify` function: settings and clients, once, and then one effect a call.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

use notify::Ports;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::lambda;
use tidegate_aws::slack::SlackClient;
use tidegate_aws::sns::SnsMails;
use tidegate_ports::clock::SystemClock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::start_tracing();
    let mut environment = Environment::of_process();
    let table = environment.table("TIDEGATE_TABLE");
    let account = environment.account("TIDEGATE_ACCOUNT");
    let region = environment.text("AWS_REGION");
    let topic = environment.arn("TIDEGATE_TOPIC_ARN", "sns");
    let slack_parameter = environment.parameter("TIDEGATE_SLACK_PARAMETER");
    let slack_stand_in = environment.stand_in("TIDEGATE_SLACK_STAND_IN");
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let store = DynamoStore::new(clients::dynamo(&config), &table, &account, &region);
    let mails = SnsMails::new(&config, &topic);
    let slack = SlackClient::new(&config, &slack_parameter, &slack_stand_in);
    let ports = Ports {
        effects: &store,
        mails: &mails,
        slack: &slack,
        clock: &SystemClock,
    };
    lambda::run(async |request, until| notify::handle(request, &ports, until).await).await
}
