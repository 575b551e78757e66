//! Which servers a wave has: what does not fit is named, all of it at once, and nothing is begun.

use std::collections::BTreeMap;

use tidegate_domain::effect::{Outcome, Task};
use tidegate_domain::hold::HoldReason;
use tidegate_domain::id::WaveId;
use tidegate_domain::observation::LifeCycle;
use tidegate_domain::plan::{MOST_SERVERS, Select, Selector};

use crate::fixture::{Hand, plan, seen, server_id, start_of_time};

fn id(server: usize) -> Select {
    Select::Id(server_id(server))
}

fn hostname(name: &str) -> Select {
    Select::Hostname(name.to_owned())
}

fn tag(key: &str, value: &str) -> Select {
    Select::Tags(BTreeMap::from([(key.to_owned(), value.to_owned())]))
}

/// A wave of one application that selects so, among three servers: `host00` to `host02`, all with
/// the tag `role=web`.
fn wave(selects: Vec<Select>, change: impl Fn(&mut Hand)) -> Hand {
    let mut plan = plan(0, 0);
    plan.applications.truncate(1);
    let selectors = selects.into_iter().map(|select| Selector {
        select,
        critical: false,
    });
    plan.applications[0].servers = selectors.collect();
    let mut hand = Hand::new(plan);
    hand.seen.clear();
    for n in 0..3 {
        let mut server = seen(n, hand.now);
        server.tags = BTreeMap::from([("role".to_owned(), "web".to_owned())]);
        hand.seen.insert(server_id(n), server);
    }
    change(&mut hand);
    hand
}

/// A life cycle state for the second server.
fn life_cycle(state: LifeCycle) -> impl Fn(&mut Hand) {
    move |hand| {
        hand.seen
            .get_mut(&server_id(1))
            .expect("a server")
            .life_cycle = state;
    }
}

/// The wave is held with these problems, has done nothing, and goes on once they are mended.
fn check(mut hand: Hand, problems: &[&str], mend: impl Fn(&mut Hand)) {
    hand.until_held();
    let hold = hand.wave().hold.clone().expect("a hold");
    let expected = HoldReason::Selection {
        problems: problems.iter().map(|&p| p.to_owned()).collect(),
    };
    assert_eq!(hold.reason, expected);
    let first = hold.reason.commands(hand.wave()).swap_remove(0);
    let resume = "tidegate resume orders".to_owned();
    assert_eq!(first, (resume, "look again, once it is mended"));
    assert!(hand.servers.is_empty());
    let begun = hand
        .tasks
        .iter()
        .any(|task| !matches!(task, Task::Notify { .. }));
    assert!(!begun, "{:?}", hand.tasks);
    mend(&mut hand);
    hand.resume();
    hand.until("Testing");
}

/// The second server can be tested, and every selector picks something else.
fn as_it_should_be(hand: &mut Hand) {
    life_cycle(LifeCycle::ReadyForTest)(hand);
    let selectors = &mut hand.wave.as_mut().expect("a wave").plan.applications[0].servers;
    selectors.truncate(1);
    selectors[0].select = id(1);
}

#[test]
fn a_selector_that_picks_nothing() {
    let missing = "MGN has no server with id s-00000000000000007";
    check(wave(vec![id(7)], |_| {}), &[missing], as_it_should_be);
    check(
        wave(vec![hostname("db01")], |_| {}),
        &["MGN has no server with hostname db01"],
        as_it_should_be,
    );
    check(
        wave(vec![tag("role", "db")], |_| {}),
        &["MGN has no server with tag role=db"],
        as_it_should_be,
    );
    let two = Select::Tags(BTreeMap::from([
        ("role".to_owned(), "web".to_owned()),
        ("stage".to_owned(), "test".to_owned()),
    ]));
    check(
        wave(vec![two], |_| {}),
        &["MGN has no server with tag role=web, stage=test"],
        as_it_should_be,
    );
}

#[test]
fn two_servers_of_one_hostname() {
    let twins = |hand: &mut Hand| {
        let twin = hand.seen.get_mut(&server_id(2)).expect("a server");
        twin.hostname = "HOST01".to_owned();
    };
    check(
        wave(vec![hostname("host01")], twins),
        &[
            "2 servers have hostname host01: s-00000000000000001, s-00000000000000002; \
           name one by its id",
        ],
        as_it_should_be,
    );
}

#[test]
fn a_server_that_is_picked_twice() {
    let by = |first: &str, second: &str| {
        format!("host01 (s-00000000000000001) is picked by {first} of db and by {second} of db")
    };
    let (by_id, by_name, by_tag) = ("id s-00000000000000001", "hostname host01", "tag role=web");
    for (selects, first, second) in [
        (vec![id(1), hostname("host01")], by_id, by_name),
        (vec![hostname("host01"), id(1)], by_name, by_id),
        (vec![id(1), tag("role", "web")], by_id, by_tag),
        (
            vec![tag("role", "web"), hostname("HOST01")],
            by_tag,
            "hostname HOST01",
        ),
    ] {
        let problem = by(first, second);
        check(wave(selects, |_| {}), &[&problem], as_it_should_be);
    }
}

#[test]
fn a_server_whose_cutover_is_under_way() {
    let problem = "host01 (s-00000000000000001) is already CUTTING_OVER; \
                   finalize it or set it back in MGN first";
    for select in [id(1), hostname("host01"), tag("role", "web")] {
        let hand = wave(vec![select], life_cycle(LifeCycle::CuttingOver));
        check(hand, &[problem], as_it_should_be);
    }
}

#[test]
fn a_server_that_is_migrated() {
    let problem = "host01 (s-00000000000000001) is already migrated";
    for state in [LifeCycle::Cutover, LifeCycle::Disconnected] {
        for select in [id(1), hostname("host01"), tag("role", "web")] {
            let hand = wave(vec![select], life_cycle(state));
            check(hand, &[problem], as_it_should_be);
        }
    }
}

#[test]
fn more_servers_than_a_wave_holds() {
    let hand = |servers: usize| {
        wave(vec![tag("role", "db")], |hand| {
            for n in 10..10 + servers {
                let mut server = seen(n, start_of_time());
                server.tags = BTreeMap::from([("role".to_owned(), "db".to_owned())]);
                hand.seen.insert(server_id(n), server);
            }
        })
    };
    check(
        hand(MOST_SERVERS + 1),
        &["3001 servers are picked; a wave holds 3000 at most"],
        as_it_should_be,
    );
    let mut most = hand(MOST_SERVERS);
    most.until_that("servers", |hand| !hand.servers.is_empty());
    assert_eq!(most.servers.len(), MOST_SERVERS);
}

#[test]
fn everything_that_does_not_fit_is_named_at_once() {
    let selects = vec![hostname("db01"), id(1), tag("role", "web")];
    check(
        wave(selects, life_cycle(LifeCycle::Cutover)),
        &[
            "MGN has no server with hostname db01",
            "host01 (s-00000000000000001) is already migrated",
            "host01 (s-00000000000000001) is picked by id s-00000000000000001 of db \
             and by tag role=web of db",
        ],
        as_it_should_be,
    );
}

#[test]
fn each_way_of_picking_picks_what_it_names() {
    for (select, picked) in [
        (id(1), vec!["host01"]),
        (hostname("Host01"), vec!["host01"]),
        (hostname("HOST02.example.com"), vec!["host02"]),
        (tag("role", "web"), vec!["host00", "host01", "host02"]),
    ] {
        let mut hand = wave(vec![select], |hand| {
            let last = hand.seen.get_mut(&server_id(2)).expect("a server");
            last.fqdn = "host02.example.com".to_owned();
        });
        hand.until("Testing");
        let names: Vec<&str> = hand.servers.iter().map(|s| s.hostname.as_str()).collect();
        assert_eq!(names, picked);
    }
}

#[test]
fn a_server_of_another_wave_holds_this_one_until_it_is_free() {
    let mut hand = Hand::new(plan(2, 0));
    let billing = WaveId::parse("billing").expect("a name");
    let taken = Outcome::Claimed(BTreeMap::from([(server_id(0), billing)]));
    hand.refuse.push(("prepare", taken));
    hand.until_held();
    let hold = hand.wave().hold.clone().expect("a hold");
    assert_eq!(
        hold.reason.sentence(),
        "The plan does not fit the servers in MGN: \
         host00 (s-00000000000000000) belongs to wave billing."
    );
    let first = hold.reason.commands(hand.wave()).swap_remove(0);
    let resume = "tidegate resume orders".to_owned();
    assert_eq!(first, (resume, "look again, once it is mended"));
    let claims = |hand: &Hand| {
        let claims = hand.tasks.iter();
        let claims = claims.filter(|task| matches!(task, Task::Claim { .. }));
        claims.count()
    };
    assert_eq!(claims(&hand), 1);
    for _ in 0..5 {
        let decision = hand.turn();
        hand.now = hand.now.max(decision.wake_at);
    }
    assert_eq!((hand.phase(), claims(&hand)), ("Waiting", 1));
    hand.resume();
    hand.until("AwaitingCutover");
    assert_eq!(claims(&hand), 2, "both are claimed now");
    assert_eq!(hand.stages(), ["tested", "tested"]);
}
