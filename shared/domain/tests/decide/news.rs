//! What people are told goes where they are.

use jiff::SignedDuration;
use tidegate_domain::effect::Task;
use tidegate_domain::message::Body;
use tidegate_domain::plan::{Approver, Channel, Escalation, Plan};

use crate::fixture::{Hand, plan};

/// By which ways people are told each kind of news in a wave that is started, held and aborted.
fn told_by(plan: Plan) -> Vec<(&'static str, Channel)> {
    let mut hand = Hand::new(plan);
    hand.until("Testing").turn();
    hand.send(Body::Hold {
        note: "wait".to_owned(),
    });
    hand.turn();
    let told = hand.tasks.iter().filter_map(|task| match task {
        Task::Notify { news, channel } => Some((news.kind(), *channel)),
        _ => None,
    });
    told.collect()
}

#[test]
fn by_mail_and_what_they_must_act_on_also_in_slack_if_somebody_is_asked_there() {
    let mails = [("wave_started", Channel::Sns), ("wave_held", Channel::Sns)];
    assert_eq!(told_by(plan(1, 1)), mails);

    let everywhere = [&mails[..], &[("wave_held", Channel::Slack)]].concat();
    let anna = || Approver::Slack("U024BE7LH".to_owned());
    let mut by_channel = plan(1, 1);
    by_channel.gates.finalize.notify = vec![Channel::Sns, Channel::Slack];
    let mut by_approver = plan(1, 1);
    by_approver.gates.cutover.approvers.push(anna());
    let mut by_escalation = plan(1, 1);
    by_escalation.gates.cutover.escalate = Some(Escalation {
        before: SignedDuration::from_mins(1),
        to: vec![anna()],
    });
    for plan in [by_channel, by_approver, by_escalation] {
        assert_eq!(told_by(plan), everywhere);
    }
}
