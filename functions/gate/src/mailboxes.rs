//! Whose a link is: each approver's goes to their own mailbox, or to none.
//!
//! **Invariant 9**: a quorum of several people is never met by links that one mailbox received. Who
//! gets what is up to the topic's subscriptions and their filter policies; where one of them takes
//! the links of several approvers, nobody is asked, and the refusal says what to mend.

use tidegate_domain::effect::{Refusal, RefusalKind};
use tidegate_domain::plan::Approver;
use tidegate_domain::words::one_line;
use tidegate_ports::mail::{Mail, Subscription};

use crate::filter;

/// The longest name of a subscriber, in characters, that a refusal repeats.
const LONGEST_NAME: usize = 120;

/// The refusal, if a subscriber may get the links of more than one of these approvers.
pub(crate) fn shared(subscriptions: &[Subscription], approvers: &[&Approver]) -> Option<Refusal> {
    subscriptions.iter().find_map(|one| {
        // One mailbox may subscribe by several protocols.
        let same = |other: &&Subscription| other.endpoint.eq_ignore_ascii_case(&one.endpoint);
        let mailbox: Vec<_> = subscriptions.iter().filter(same).collect();
        let mut gets = approvers
            .iter()
            .map(|approver| approver.to_string())
            .filter(|to| mailbox.iter().any(|one| filter::may_take(one, to)));
        let (first, second) = (gets.next()?, gets.next()?);
        let name = one_line(&one.endpoint, LONGEST_NAME);
        Some(Refusal {
            kind: RefusalKind::Guard,
            message: format!(
                "{name} may get the links of {first} and {second}: give each subscriber of the \
                 topic a filter policy on `to` with their own address"
            ),
        })
    })
}

/// To whom these mails may not come: no subscription takes them for certain.
pub(crate) fn unreached(
    subscriptions: &[Subscription],
    mails: impl Iterator<Item = Mail>,
) -> Vec<Approver> {
    let reached = |mail: &Mail| subscriptions.iter().any(|one| filter::takes(one, mail));
    mails
        .filter(|mail| !reached(mail))
        .filter_map(|mail| mail.to)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(endpoint: &str, filter: Option<&str>) -> Subscription {
        Subscription {
            endpoint: endpoint.to_owned(),
            filter: filter.map(str::to_owned),
            filters_body: false,
        }
    }

    #[test]
    fn a_mailbox_of_several_approvers_is_found() {
        let ann = Approver::Mail("ann@example.com".to_owned());
        let bob = Approver::Mail("bob@example.com".to_owned());
        let both = [&ann, &bob];
        let anns = subscription("ann@example.com", Some(r#"{"to":["ann@example.com"]}"#));
        let bobs = subscription(
            "bob@example.com",
            Some(r#"{"to":["bob@example.com",{"exists":false}],"wave":["orders"]}"#),
        );
        let news = subscription("all@example.com", Some(r#"{"to":[{"exists":false}]}"#));
        let good = [anns.clone(), bobs.clone(), news];
        let insensitive = r#"{"to":[{"equals-ignore-case":"Ann@Example.com"}]}"#;
        let others = r#"{"to":[{"anything-but":["ann@example.com"]}]}"#;
        let apart = [
            subscription("ann@example.com", Some(insensitive)),
            subscription("bob@example.com", Some(others)),
        ];
        assert_eq!(shared(&apart, &both), None);
        assert_eq!(shared(&good, &both), None);

        let annas = subscription("ANN@example.com", Some(r#"{"to":["bob@example.com"]}"#));
        for bad in [
            subscription("all@example.com", None),
            subscription("all@example.com", Some("")),
            subscription("all@example.com", Some("{}")),
            subscription("all@example.com", Some(r#"{"action":["required"]}"#)),
            subscription("all@example.com", Some(r#"{"to":[{"exists":true}]}"#)),
            subscription(
                "all@example.com",
                Some(r#"{"to":[{"suffix":"@example.com"}]}"#),
            ),
            subscription(
                "all@example.com",
                Some(r#"{"$or":[{"to":["x"]},{"wave":["y"]}]}"#),
            ),
            subscription("all@example.com", Some(r#"{"to":[{"wildcard":"*"}]}"#)),
            annas,
            Subscription {
                filters_body: true,
                ..subscription("all@example.com", Some(r#"{"to":["ann@example.com"]}"#))
            },
        ] {
            let mut all = good.to_vec();
            all.push(bad.clone());
            let refusal = shared(&all, &both).expect("a refusal");
            assert!(
                refusal
                    .message
                    .contains("ann@example.com and bob@example.com"),
                "{bad:?}"
            );
            assert_eq!(shared(&all, &[&ann]), None, "one approver has one mailbox");
        }
    }
}
