//! The `gate` function: settings and clients, once, and then one effect a call.
#![recursion_limit = "256"] // The SDK nests its futures deeply.

use gate::Ports;
use tidegate_aws::clients;
use tidegate_aws::dynamo::DynamoStore;
use tidegate_aws::environment::Environment;
use tidegate_aws::kms::KmsSigner;
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
    let key = environment.arn("TIDEGATE_SIGNING_KEY", "kms");
    let console_url = environment.url("TIDEGATE_CONSOLE_URL");
    let slack_parameter = environment.parameter("TIDEGATE_SLACK_PARAMETER");
    let slack_stand_in = environment.stand_in("TIDEGATE_SLACK_STAND_IN");
    environment.check().map_err(lambda::refuse_to_start)?;

    let config = clients::load();
    let store = DynamoStore::new(clients::dynamo(&config), &table, &account, &region);
    let signer = KmsSigner::new(&config, &key);
    let mails = SnsMails::new(&config, &topic);
    let slack = SlackClient::new(&config, &slack_parameter, &slack_stand_in);
    let ports = Ports {
        effects: &store,
        signer: &signer,
        mails: &mails,
        slack: &slack,
        clock: &SystemClock,
    };
    lambda::run(async |request, until| gate::handle(request, &ports, &console_url, until).await)
        .await
}
