//! The shape of the file: keys, types, what YAML can do and a plan may not.

use super::{BASE, change, check};

#[test]
fn an_unknown_key_is_told_with_the_one_that_was_meant() {
    change(
        "applications:",
        "aplications:",
        "8:1: unknown key `aplications`; did you mean `applications`?",
    );
    change(
        "max_lag",
        "maxlag",
        "7:11: unknown key `maxlag`; did you mean `max_lag`?",
    );
    change(
        "after: [",
        "afetr: [",
        "14:5: unknown key `afetr`; did you mean `after`?",
    );
    change(
        "wave: orders",
        "wave: orders\ncolour: red",
        "2:1: unknown key `colour`; a plan may have `wave`, `start`, `window`, `gates`, `policy` and `applications`",
    );
    change(
        "quorum: 2",
        "quorum: 2, Quorum: 3",
        "5:99: unknown key `Quorum`; did you mean `quorum`?",
    );
}

#[test]
fn a_missing_key_is_told() {
    check(
        "wave: w",
        "1:1: `applications` is missing; it has to stand in a plan
1:1: `gates` is missing; it has to stand in a plan
1:1: `start` is missing; it has to stand in a plan",
    );
    check(
        "applications: []",
        "1:1: `gates` is missing; it has to stand in a plan
1:1: `start` is missing; it has to stand in a plan
1:1: `wave` is missing; it has to stand in a plan
1:15: `applications`: a wave has 1 to 500 applications; this one has 0",
    );
    change(
        "lasts: 4h, ",
        "",
        "3:9: `lasts` is missing; it has to stand in a window",
    );
    change(
        "document: Tidegate-CheckPort, ",
        "",
        "12:16: `document` is missing; it has to stand in a document",
    );
}

#[test]
fn every_error_is_told_at_once() {
    check(
        "wave: Orders 1\nstart: { on: dawn }\nwindow: { opens: soon, lasts: 4, time_zone: Europe/Berln }\n\
         gates: { cutover: { quorum: 0 }, finalize: [] }\npolicy: { attempts: \"3\", failure_budget: 5, color: 1 }\n\
         applications: [{ name: A, after: [b], servers: [{ hostnam: x }] }, 7]",
        "1:7: `wave`: expected a name of 1 to 40 lower-case letters, digits and hyphens that begins with a letter; found `Orders 1`
2:14: `on`: expected `replication`, `schedule` or `manual`; found `dawn`
3:18: `opens`: expected a local date and time such as 2026-12-05T22:00; found `soon`
3:31: `lasts`: expected a duration with its unit, such as 30s, 5m, 1h30m or 7d; found `4`
3:45: `time_zone`: unknown time zone `Europe/Berln`; did you mean `Europe/Berlin`?
4:19: nobody can decide at this gate: write `approvers`, or `automatic: true`
4:44: expected the finalize gate, a mapping with the keys `after_soak`, `automatic`, `approvers`, `quorum`, `expires`, `on_expiry`, `notify`, `remind`, `escalate`, `minimum` and `self_approval`; found a list
5:21: `attempts`: expected a whole number from 1 to 10, without quotes; found the text `3`
5:42: `failure_budget`: expected whole per cent from 0% to 100%, such as 5%; found `5`
5:45: unknown key `color`; a policy may have `max_lag`, `attempts`, `failure_budget`, `on_failure`, `keep_test_instances`, `launch_timeout`, `boot_timeout` and `observe_every`
6:24: `name`: expected a name of 1 to 60 lower-case letters, digits and hyphens that begins with a letter; found `A`
6:35: no application is called `b`; did you mean `A`?
6:49: which server? Write one of `hostname`, `id` or `tag`
6:51: unknown key `hostnam`; did you mean `hostname`?
6:68: expected an application, a mapping with the keys `name`, `after`, `servers`, `quiesce` and `validate`; found `7`",
    );
}

#[test]
fn a_key_that_stands_twice_is_told() {
    change(
        "wave: orders",
        "wave: orders\nwave: others\n\"wave\": third",
        "2:1: `wave` stands here twice; the first is in line 1: leave one of them out
3:1: `wave` stands here twice; the first is in line 1: leave one of them out",
    );
    change(
        "attempts: 3",
        "attempts: 3, attempts: 4",
        "7:37: `attempts` stands here twice; the first is in line 7: leave one of them out",
    );
}

#[test]
fn a_value_of_another_type_is_told() {
    change(
        "attempts: 3",
        "attempts: many",
        "7:34: `attempts`: expected a whole number from 1 to 10, without quotes; found `many`",
    );
    change(
        "attempts: 3",
        "attempts: \"3\"",
        "7:34: `attempts`: expected a whole number from 1 to 10, without quotes; found the text `3`",
    );
    change(
        "attempts: 3",
        "attempts: 3.5",
        "7:34: `attempts`: expected a whole number from 1 to 10, without quotes; found `3.5`",
    );
    change(
        "attempts: 3",
        "attempts: [3]",
        "7:34: `attempts`: expected a whole number from 1 to 10, without quotes; found a list",
    );
    change(
        "attempts: 3",
        "attempts:",
        "7:32: `attempts`: expected a whole number from 1 to 10, without quotes; found nothing",
    );
    change(
        "automatic: true",
        "automatic: yes",
        "6:43: `automatic`: expected true or false; found `yes`",
    );
    change(
        "wave: orders",
        "wave: [orders]",
        "1:7: `wave`: expected a text; found a list",
    );
    change(
        "wave: orders",
        "wave: true",
        "1:7: `wave`: expected a text; put it in quotes if true is one; found `true`",
    );
    change(
        "start: { on: replication }",
        "start: replication",
        "2:8: expected a start, a mapping with the keys `on`, `at` and `time_zone`; found `replication`",
    );
    change(
        "policy: { max_lag: 1m, attempts: 3, failure_budget: 5% }",
        "policy:",
        "7:7: expected a policy, a mapping with the keys `max_lag`, `attempts`, `failure_budget`, `on_failure`, `keep_test_instances`, `launch_timeout`, `boot_timeout` and `observe_every`; found nothing",
    );
    change(
        "{ tag: { role: web } }",
        "web01",
        "15:15: expected a server, a mapping with the keys `hostname`, `id`, `tag` and `criticality`; found `web01`",
    );
    change(
        "after: [orders-db]",
        "after: orders-db",
        "14:12: `after`: expected a list of names of applications; found `orders-db`",
    );
    change(
        "role: web",
        "role: true",
        "15:30: `role`: expected a tag's value; put it in quotes if true is one; found `true`",
    );
}

#[test]
fn what_is_no_plan_at_all_is_told() {
    check(
        "",
        "1:1: the plan is empty: it needs at least `wave`, `start`, `gates` and `applications`",
    );
    check(
        "# nothing here\n",
        "1:1: the plan is empty: it needs at least `wave`, `start`, `gates` and `applications`",
    );
    check(
        "~",
        "1:1: the plan is empty: it needs at least `wave`, `start`, `gates` and `applications`",
    );
    check(
        "- a\n- b",
        "1:1: expected a plan, a mapping with the keys `wave`, `start`, `window`, `gates`, `policy` and `applications`; found a list",
    );
    check(
        "hello",
        "1:1: expected a plan, a mapping with the keys `wave`, `start`, `window`, `gates`, `policy` and `applications`; found `hello`",
    );
}

#[test]
fn what_is_no_yaml_is_told_where_it_stops() {
    change(
        "start: {",
        "start: {{",
        "3:1: this is neither YAML nor JSON: invalid indentation in flow construct",
    );
    change(
        "  - name: orders-web",
        " - name: orders-web",
        "13:2: this is neither YAML nor JSON: while parsing a block mapping, did not find expected key",
    );
    check(
        "wave: \"orders",
        "1:7: this is neither YAML nor JSON: while scanning a quoted scalar, found unexpected end of stream",
    );
    check(
        "wave: orders\n\tstart: x",
        "1:7: this is neither YAML nor JSON: while scanning a plain scalar, found a tab; indent with spaces",
    );
    check(
        "{\"wave\": \"w\",",
        "2:1: this is neither YAML nor JSON: while parsing a node, did not find expected node content",
    );
}

#[test]
fn one_file_is_one_plan() {
    check(
        &format!("{BASE}---\nwave: second\n"),
        "16:1: a second document begins here; a plan is one document",
    );
    check(&format!("---\n{BASE}...\n"), "nothing");
}

#[test]
fn anchors_aliases_and_tags_are_refused() {
    change(
        "wave: orders",
        "wave: &name orders",
        "1:7: anchors (`&name`) are not supported: write the value out where it is used",
    );
    change("applications:", "x: &x [1]\ny: [*x, *x]\napplications:", "8:1: unknown key `x`; a plan may have `wave`, `start`, `window`, `gates`, `policy` and `applications`
8:4: anchors (`&name`) are not supported: write the value out where it is used
9:1: unknown key `y`; a plan may have `wave`, `start`, `window`, `gates`, `policy` and `applications`
9:5: aliases (`*name`) are not supported: write the value out
9:9: aliases (`*name`) are not supported: write the value out");
    change(
        "wave: orders",
        "wave: *name",
        "1:7: this is neither YAML nor JSON: while parsing node, found unknown anchor; a text that begins with * or & needs quotes",
    );
    change(
        "wave: orders",
        "wave: !!str orders",
        "1:7: YAML tags (`!name`) are not supported: write the plain value",
    );
    change(
        "policy: {",
        "policy: {<<: { attempts: 3 }, ",
        "7:10: unknown key `<<`; a policy may have `max_lag`, `attempts`, `failure_budget`, `on_failure`, `keep_test_instances`, `launch_timeout`, `boot_timeout` and `observe_every`",
    );
}

#[test]
fn what_cannot_be_seen_is_refused() {
    change(
        "wave: orders",
        "wave: ord\u{202e}ers",
        "1:10: the character U+202E cannot be seen and may not stand in a plan",
    );
    change(
        "wave: orders",
        "# a bell: \u{7}\nwave: orders",
        "1:11: the character U+0007 cannot be seen and may not stand in a plan",
    );
    change(
        "ops@example.com",
        "\"ops@example.com\\r\\nBcc: x@example.com\"",
        "5:27: the text holds the character U+000D, which cannot be seen and may not stand in a plan",
    );
    change(
        "hostname: db01",
        "hostname: \"db\\0\"",
        "10:27: the text holds the character U+0000, which cannot be seen and may not stand in a plan",
    );
    change(
        "role: web",
        "role: \"a\\nb\"",
        "15:30: `role`: a tag's value has at most 256 characters, in one line",
    );
}

#[test]
fn what_is_not_built_yet_is_refused_not_ignored() {
    change(
        "after: [orders-db]",
        "after: [orders-db]\n    traffic: [{ record: orders.example.com }]",
        "15:5: this version does not switch traffic (DNS, load balancers) yet: leave `traffic` out and switch it yourself after the cutover",
    );
    change(
        "attempts: 3",
        "attempts: 3, on_alarm: roll_back",
        "7:37: this version does not watch alarms or roll back by itself yet: leave `on_alarm` out",
    );
    change(
        "quorum: 2",
        "quorum: 2, notify: [pager]",
        "5:108: `notify`: expected `sns` or `slack`; found `pager`",
    );
    change("quorum: 2", "quorum: 2, notify: [sns, slack]", "nothing");
}
