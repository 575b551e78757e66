//! Start and window: zones, local times that do not exist, and what does not fit.

use jiff::Timestamp;
use tidegate_domain::plan::{Start, parse, parse_change};

use super::{BASE, change, now};

const WINDOW: &str = "opens: 2026-12-05T22:00, lasts: 4h, time_zone: Europe/Berlin";
const START: &str = "start: { on: replication }";

#[test]
fn local_times_become_instants() {
    let plan = parse(BASE, now()).expect("good");
    let window = plan.window.expect("window");
    assert_eq!(window.opens.to_string(), "2026-12-05T21:00:00Z");
    assert_eq!(window.closes.to_string(), "2026-12-06T01:00:00Z");

    for (at, expected) in [
        ("at: 2026-12-05T18:00", "2026-12-05T17:00:00Z"),
        (
            "at: 2026-12-05T18:00, time_zone: America/New_York",
            "2026-12-05T23:00:00Z",
        ),
        ("at: 2026-12-05T18:00Z", "2026-12-05T18:00:00Z"),
        ("at: \"2026-12-05 18:00:30+01:00\"", "2026-12-05T17:00:30Z"),
    ] {
        let text = BASE.replace(START, &format!("start: {{ on: schedule, {at} }}"));
        let plan = parse(&text, now()).expect(at);
        assert_eq!(
            plan.start,
            Start::Schedule(expected.parse::<Timestamp>().expect("time")),
            "{at}"
        );
    }
}

#[test]
fn a_window_that_is_over_is_read_for_a_wave_that_is_under_way() {
    let text = BASE.replace("2026-12-05T22:00", "2026-11-20T22:00");
    assert!(parse(&text, now()).is_err());
    let window = parse_change(&text, now()).expect("good").window;
    let window = window.expect("a window");
    assert_eq!(window.closes.to_string(), "2026-11-21T01:00:00Z");
    assert!(window.is_over(now()) && window.is_over(window.closes));
    assert!(!window.is_over(window.opens));
    // Everything else is looked at as ever.
    let wrong = text.replace("lasts: 4h", "lasts: 4");
    let errors = parse_change(&wrong, now()).expect_err("no unit");
    assert_eq!(Err(errors), parse(&wrong, now()));
}

#[test]
fn a_window_lasts_as_long_as_it_says_over_a_change_of_clocks() {
    let text = BASE.replace("2026-12-05T22:00, lasts: 4h", "2027-03-27T23:00, lasts: 4h");
    let window = parse(&text, now()).expect("good").window.expect("window");
    assert_eq!(window.closes.duration_since(window.opens).as_hours(), 4);
}

#[test]
fn an_impossible_window_is_told() {
    change(
        "lasts: 4h",
        "lasts: 0s",
        "3:43: `lasts`: expected a duration from 1s to 7d; found `0s`",
    );
    change(
        "lasts: 4h",
        "lasts: 8d",
        "3:43: `lasts`: expected a duration from 1s to 7d; found `8d`",
    );
    change(
        "lasts: 4h",
        "lasts: -4h",
        "3:43: `lasts`: expected a duration from 1s to 7d; found `-4h`",
    );
    change(
        "lasts: 4h",
        "lasts: 4",
        "3:43: `lasts`: expected a duration with its unit, such as 30s, 5m, 1h30m or 7d; found `4`",
    );
    change(
        "lasts: 4h",
        "lasts: 1 month",
        "3:43: `lasts`: expected a duration with its unit, such as 30s, 5m, 1h30m or 7d; found `1 month`",
    );
    change(
        "lasts: 4h",
        "lasts: 1.5s",
        "3:43: `lasts`: expected a duration of whole seconds; found `1.5s`",
    );
    change(
        "2026-12-05T22:00",
        "2026-11-20T22:00",
        "3:18: `opens`: the window is over: it closed at 2026-11-21T02:00:00+01:00, and now it is 2026-11-21T13:00:00+01:00",
    );
    change(
        "2026-12-05T22:00",
        "2026-12-05",
        "3:18: `opens`: expected a local date and time such as 2026-12-05T22:00; found `2026-12-05`",
    );
    change(
        "2026-12-05T22:00",
        "2026-02-30T22:00",
        "3:18: `opens`: expected a local date and time such as 2026-12-05T22:00; found `2026-02-30T22:00`",
    );
    change(
        "2026-12-05T22:00",
        "2062-12-05T22:00",
        "3:18: `opens`: this is more than five years ahead; is the year right?",
    );
    change(
        "2026-12-05T22:00",
        "9999-12-31T23:59:59Z",
        "3:18: `opens`: this time is outside of what a calendar has",
    );
    change(
        "2026-12-05T22:00",
        "2026-12-05T22:00[Europe/Berlin]",
        "3:34: this is neither YAML nor JSON: while parsing a flow mapping, did not find expected ',' or '}'",
    );
}

#[test]
fn a_window_that_is_open_now_is_fine() {
    change("2026-12-05T22:00", "2026-11-21T10:00", "nothing");
}

#[test]
fn an_unknown_time_zone_is_told() {
    change(
        "Europe/Berlin",
        "Europe/Berln",
        "3:58: `time_zone`: unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?",
    );
    change(
        "Europe/Berlin",
        "\"+01:00\"",
        "3:58: `time_zone`: expected an IANA time zone such as Europe/Berlin or UTC; found the text `+01:00`",
    );
    change(
        "Europe/Berlin",
        "Atlantis",
        "3:58: `time_zone`: expected an IANA time zone such as Europe/Berlin or UTC; found `Atlantis`",
    );
    change("Europe/Berlin", "europe/berlin", "nothing");
}

#[test]
fn a_time_that_does_not_exist_is_told() {
    change(
        "2026-12-05T22:00",
        "2027-03-28T02:30",
        "3:18: `opens`: 2027-03-28T02:30 does not exist in Europe/Berlin: the clocks go from 2027-03-28T02:00 to 2027-03-28T03:00; write a time before 2027-03-28T02:00, or 2027-03-28T03:00 or later",
    );
    change(
        "2026-12-05T22:00",
        "2027-03-28T02:00",
        "3:18: `opens`: 2027-03-28T02:00 does not exist in Europe/Berlin: the clocks go from 2027-03-28T02:00 to 2027-03-28T03:00; write a time before 2027-03-28T02:00, or 2027-03-28T03:00 or later",
    );
    change("2026-12-05T22:00", "2027-03-28T03:00", "nothing");
    change("2026-12-05T22:00", "2027-03-28T01:59:59", "nothing");
}

#[test]
fn a_time_that_comes_twice_is_told() {
    change(
        "2026-12-05T22:00",
        "2027-10-31T02:30",
        "3:18: `opens`: 2027-10-31T02:30 comes twice in Europe/Berlin, where the clocks go back: write 2027-10-31T02:30+02:00 for the first or 2027-10-31T02:30+01:00 for the second",
    );
    change("2026-12-05T22:00", "2027-10-31T02:30+02:00", "nothing");
    change("2026-12-05T22:00", "2027-10-31T02:30+01:00", "nothing");
    change(
        "2026-12-05T22:00",
        "2027-10-31T02:30+03:00",
        "3:18: `opens`: +03:00 is not the offset of Europe/Berlin then; +02:00 is",
    );
}

#[test]
fn a_schedule_needs_its_time_and_nothing_else_does() {
    change(
        START,
        "start: { on: schedule }",
        "2:8: `at` is missing; `on: schedule` needs it, such as at: 2026-12-05T18:00",
    );
    change(
        START,
        "start: { on: manual, at: 2026-12-05T18:00 }",
        "2:22: `at` goes only with `on: schedule`: leave it out, or write `on: schedule`",
    );
    change(
        START,
        "start: { on: schdule, at: 2026-12-05T18:00 }",
        "2:14: `on`: unknown value `schdule`; did you mean `schedule`?",
    );
    change(
        START,
        "start: { on: dawn }",
        "2:14: `on`: expected `replication`, `schedule` or `manual`; found `dawn`",
    );
    change(
        START,
        "start: { at: 2026-12-05T18:00 }",
        "2:8: `on` is missing; it has to stand in a start",
    );
}

#[test]
fn a_schedule_needs_a_time_zone_from_somewhere() {
    let none = format!("window: {{ {WINDOW} }}\n");
    change(
        &format!("{START}\n{none}"),
        "start: { on: schedule, at: 2026-12-05T18:00 }\n",
        "2:28: `at`: in which time zone? Write `time_zone` beside it, such as time_zone: Europe/Berlin",
    );
    change(
        &format!("{START}\n{none}"),
        "start: { on: schedule, at: 2026-12-05T18:00+01:00 }\n",
        "nothing",
    );
}

#[test]
fn a_wave_that_would_start_after_its_window_is_told() {
    change(
        START,
        "start: { on: schedule, at: 2026-12-06T02:00 }",
        "2:28: `at`: the wave would start when its window has closed, at 2026-12-06T02:00:00+01:00; start it earlier",
    );
    change(
        START,
        "start: { on: schedule, at: 2026-12-06T01:59 }",
        "nothing",
    );
}

#[test]
fn a_wrong_zone_is_told_once() {
    let start = "start: { on: schedule, at: 2026-12-05T18:00 }";
    super::check(
        &BASE
            .replace(START, start)
            .replace("Europe/Berlin", "Mars/Olympus"),
        "3:58: `time_zone`: expected an IANA time zone such as Europe/Berlin or UTC; found `Mars/Olympus`",
    );
}
