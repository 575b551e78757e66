//! SSM's adapter over the simulator's HTTP front.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::id::{CommandId, InstanceId, NodeId};
use tidegate_domain::observation::CommandStatus;
use tidegate_domain::plan::Document;
use tidegate_ports::commands::{Commands, Documents, SendsCommands};
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::mgn::Launches;

use crate::support::{Simulator, a_moment, effect};

const FAST: [&str; 5] = ["--ready", "--speed", "5000", "--servers", "3"];

fn fast<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FAST.into_iter().chain(more.iter().copied()).collect()
}

fn document() -> Document {
    Document {
        document: "Tidegate-CheckPort".to_owned(),
        parameters: BTreeMap::from([("port".to_owned(), vec!["5432".to_owned()])]),
        timeout: SignedDuration::from_mins(5),
    }
}

/// The nodes of the sources, by their names.
async fn nodes(simulator: &Simulator) -> Vec<NodeId> {
    let mut nodes = simulator.ssm.source_nodes().await.expect("nodes");
    nodes.sort_by(|a, b| a.1.cmp(&b.1));
    nodes.into_iter().map(|(node, _)| node).collect()
}

async fn ended(simulator: &Simulator, command: &CommandId) -> BTreeMap<NodeId, CommandStatus> {
    for _ in 0..1_000 {
        let statuses = simulator
            .ssm
            .invocations(command)
            .await
            .expect("invocations");
        let over = statuses
            .values()
            .all(|status| *status != CommandStatus::Pending);
        if over && !statuses.is_empty() {
            return statuses;
        }
        a_moment().await;
    }
    panic!("{command} does not end");
}

#[tokio::test]
async fn a_command_runs_on_each_of_its_nodes() {
    let fault = "command=Tidegate-CheckPort:server0002:1:failed";
    let simulator = Simulator::start(&fast(&["--fault", fault])).await;
    let nodes = nodes(&simulator).await;
    assert_eq!(nodes.len(), 3);
    let command = simulator
        .ssm
        .send(&document(), &nodes, &effect("orders-4-1"))
        .await;
    let statuses = ended(&simulator, &command.expect("a command")).await;
    assert_eq!(statuses[&nodes[0]], CommandStatus::Succeeded);
    assert_eq!(statuses[&nodes[2]], CommandStatus::Succeeded);
    match &statuses[&nodes[1]] {
        CommandStatus::Failed(reason) => assert!(reason.starts_with("Failed, exit code 1")),
        other => panic!("should have failed: {other:?}"),
    }
}

#[tokio::test]
async fn a_command_that_was_sent_is_found_by_its_effect() {
    let simulator = Simulator::start(&fast(&["--fault", "lost-answer=1:SendCommand"])).await;
    let nodes = nodes(&simulator).await;
    let before = Timestamp::now();
    let wanted = effect("orders-4-1");
    assert_eq!(
        simulator.ssm.find(&wanted, &nodes[0], before).await,
        Ok(None)
    );
    let sent = simulator.ssm.send(&document(), &nodes[..1], &wanted).await;
    assert!(matches!(sent, Err(CallError::Unknown(_))), "{sent:?}");

    let found = simulator
        .ssm
        .find(&wanted, &nodes[0], before)
        .await
        .expect("an answer");
    ended(&simulator, &found.expect("the command")).await;
    assert_eq!(
        simulator.ssm.find(&wanted, &nodes[1], before).await,
        Ok(None)
    );
    let other = effect("orders-4-11");
    assert_eq!(
        simulator.ssm.find(&other, &nodes[0], before).await,
        Ok(None)
    );
    let later = before
        .checked_add(SignedDuration::from_hours(1))
        .expect("a time");
    assert_eq!(
        simulator.ssm.find(&wanted, &nodes[0], later).await,
        Ok(None)
    );
}

#[tokio::test]
async fn instances_are_managed_once_their_agents_are_there() {
    let simulator = Simulator::start(&fast(&[])).await;
    let ids = simulator.ids().await;
    let job = simulator
        .mgn
        .start_test(&ids, &effect("orders-1-0"))
        .await
        .expect("a job");
    let mut instances: Vec<InstanceId> = simulator
        .ended(&job)
        .await
        .servers
        .into_iter()
        .filter_map(|server| server.instance)
        .collect();
    assert_eq!(instances.len(), 3);
    let unknown = InstanceId::parse("i-00000000000000000").expect("an ID");
    instances.push(unknown.clone());
    for _ in 0..1_000 {
        let managed = simulator.ssm.managed(&instances).await.expect("instances");
        assert!(!managed.contains(&unknown));
        if managed.len() == 3 {
            // Launched instances are no sources.
            assert_eq!(nodes(&simulator).await.len(), 3);
            return;
        }
        a_moment().await;
    }
    panic!("the agents never came");
}

#[tokio::test]
async fn refusals_say_what_kind_they_are() {
    let simulator = Simulator::start(&fast(&["--document", "Tidegate-CheckPort"])).await;
    let nodes = nodes(&simulator).await;
    let one = effect("orders-4-1");
    let kind = |result: Result<CommandId, CallError>| match result {
        Err(CallError::Refused(refusal)) => refusal.kind,
        other => panic!("should be refused: {other:?}"),
    };
    let nobody = NodeId::parse("i-00000000000000000").expect("an ID");
    let sent = simulator.ssm.send(&document(), &[nobody], &one).await;
    assert_eq!(kind(sent), RefusalKind::Conflict);
    let missing = Document {
        document: "Missing".to_owned(),
        ..document()
    };
    let sent = simulator.ssm.send(&missing, &nodes, &one).await;
    assert_eq!(kind(sent), RefusalKind::NotFound);
    let sent = simulator.ssm.send(&document(), &[], &one).await;
    assert_eq!(kind(sent), RefusalKind::Invalid);

    assert_eq!(simulator.ssm.exists("Tidegate-CheckPort").await, Ok(true));
    assert_eq!(simulator.ssm.exists("Missing").await, Ok(false));
    let unknown = CommandId::parse("00000000-0000-4000-8000-000000000000").expect("an ID");
    let statuses = simulator.ssm.invocations(&unknown).await;
    assert!(
        matches!(&statuses, Ok(none) if none.is_empty())
            || matches!(
                &statuses,
                Err(ReadError::Failed(_) | ReadError::NotFound(_))
            ),
        "{statuses:?}"
    );
}
