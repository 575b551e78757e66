//! Gates and policy.

use super::change;

const CUTOVER: &str =
    "{ approvers: [ops@example.com, \"iam:arn:aws:iam::111122223333:user/anna\"], quorum: 2 }";
const ANNA: &str = "\"iam:arn:aws:iam::111122223333:user/anna\"";

#[test]
fn somebody_or_nobody_decides() {
    change(
        CUTOVER,
        "{}",
        "5:13: nobody can decide at this gate: write `approvers`, or `automatic: true`",
    );
    change(
        CUTOVER,
        "{ automatic: false }",
        "5:13: nobody can decide at this gate: write `approvers`, or `automatic: true`",
    );
    change(
        CUTOVER,
        "{ approvers: [] }",
        "5:26: `approvers`: a gate has 1 to 50 approvers; this one has 0",
    );
    change(
        CUTOVER,
        "{ automatic: true, approvers: [a@example.com], quorum: 1 }",
        "5:32: `approvers` contradicts `automatic: true`, with which nobody is asked: leave one of them out
5:60: `quorum` contradicts `automatic: true`, with which nobody is asked: leave one of them out",
    );
    change(CUTOVER, "{ automatic: true, expires: 1h }", "nothing");
    change(
        CUTOVER,
        "{ expires: 0s, approvers: [a@example.com] }",
        "5:24: `expires`: expected a duration from 1s to 90d; found `0s`",
    );
}

#[test]
fn a_quorum_can_be_reached() {
    change(
        "quorum: 2",
        "quorum: 3",
        "5:96: `quorum`: 3 must approve, but there are only 2 approvers",
    );
    change(
        "quorum: 2",
        "quorum: 0",
        "5:96: `quorum`: expected a whole number from 1 to 50, without quotes; found `0`",
    );
    change(
        "quorum: 2",
        "quorum: two",
        "5:96: `quorum`: expected a whole number from 1 to 50, without quotes; found `two`",
    );
    change(ANNA, "\"slack:U024BE7LH\"", "nothing");
    change(
        "quorum: 2",
        "quorum: 2, minimum: iam",
        "5:96: `quorum`: 2 must approve, but only 1 of the approvers can prove themselves by AWS credentials, which `minimum` wants",
    );
    change(
        CUTOVER,
        "{ approvers: [ops@example.com], minimum: slack }",
        "5:26: `approvers`: nobody here can prove themselves by Slack, which `minimum` wants",
    );
    change(
        "quorum: 2",
        "quorum: 2, minimum: sms",
        "5:108: `minimum`: expected `mail`, `page`, `slack` or `iam`; found `sms`",
    );
}

#[test]
fn several_identities_of_a_person_are_one_approver() {
    const BOTH: &str = "{ mail: anna@example.com, iam: \"arn:aws:iam::111122223333:user/anna\" }";
    change(ANNA, BOTH, "nothing");
    change(
        CUTOVER,
        &format!("{{ approvers: [{BOTH}], quorum: 2 }}"),
        "5:108: `quorum`: 2 must approve, but there are only 1 approvers",
    );
    change(
        ANNA,
        "{ mail: OPS@example.com }",
        "5:44: `approvers`: `OPS@example.com` stands here twice; the first is in line 5",
    );
    change(
        ANNA,
        "{ mail: \"slack:U024BE7LH\" }",
        "5:52: `mail`: expected a mail address, such as name@example.com; found the text `slack:U024BE7LH`",
    );
    change(
        ANNA,
        "{ phone: \"1\" }",
        "5:44: `approvers`: expected at least one of `mail`, `slack` and `iam`; found a mapping
5:46: unknown key `phone`; an approver may have `mail`, `slack` and `iam`",
    );
}

#[test]
fn silence_means_what_the_plan_says() {
    change("quorum: 2", "quorum: 2, on_expiry: reject", "nothing");
    change(
        "quorum: 2",
        "quorum: 2, on_expiry: proceed",
        "5:110: `on_expiry`: `proceed` is for the finalize gate: nobody's silence approves a cutover; for that write `automatic: true`",
    );
    change(
        "quorum: 2",
        "quorum: 2, on_expiry: roll_back",
        "5:110: `on_expiry`: `roll_back` is for the finalize gate: before the cutover there is nothing to undo; write `reject`",
    );
    change(
        "quorum: 2",
        "quorum: 2, on_expiry: wait",
        "5:110: `on_expiry`: expected `hold` or `reject`; found `wait`",
    );
}

#[test]
fn reminders_and_escalations_come_before_the_expiry() {
    change(
        "quorum: 2",
        "quorum: 2, expires: 2d, remind: 1d, escalate: { before: 4h, to: [lead@example.com] }",
        "nothing",
    );
    change(
        "quorum: 2",
        "quorum: 2, expires: 2h, remind: 2h",
        "5:120: `remind`: this long before the gate expires, it is not open yet: `expires` has to be longer",
    );
    change(
        "quorum: 2",
        "quorum: 2, escalate: { before: 4h }",
        "5:109: `to` is missing; it has to stand in an escalation",
    );
    change(
        "quorum: 2",
        "quorum: 2, escalate: { before: 4h, to: [ops@example.com] }",
        "5:128: `to`: `ops@example.com` stands here twice; the first is in line 5",
    );
}

#[test]
fn an_escalation_asks_somebody_who_can_decide() {
    let escalated = |to: &str| {
        let escalate = format!("minimum: iam, escalate: {{ before: 4h, to: [{to}] }}");
        CUTOVER.replace("quorum: 2", &escalate)
    };
    change(
        CUTOVER,
        &escalated("lead@example.com, \"slack:U024BE7LH\""),
        "5:130: `to`: nobody here can prove themselves by AWS credentials, which `minimum` wants",
    );
    let lead = "{ mail: lead@example.com, iam: \"arn:aws:iam::111122223333:user/lead\" }";
    change(CUTOVER, &escalated(lead), "nothing");
    change(
        "quorum: 2",
        "notify: [sns], escalate: { before: 4h, to: [\"slack:U024BE7LH\"] }",
        "5:96: `notify`: slack:U024BE7LH would never be asked: add slack",
    );
}

#[test]
fn everybody_can_be_asked() {
    change(
        "quorum: 2",
        "quorum: 2, notify: [slack]",
        "5:107: `notify`: ops@example.com would never be asked: add sns",
    );
    change(
        ANNA,
        "\"slack:U024BE7LH\"], notify: [sns",
        "5:72: `notify`: slack:U024BE7LH would never be asked: add slack",
    );
    change(
        "quorum: 2",
        "quorum: 2, notify: []",
        "5:107: `notify`: nobody would be asked: name sns, slack or both",
    );
}

#[test]
fn nobody_is_named_twice() {
    change(
        ANNA,
        "b@example.com, OPS@example.com",
        "5:59: `approvers`: `OPS@example.com` stands here twice; the first is in line 5",
    );
    change(
        ANNA,
        &format!("{ANNA}, {ANNA}"),
        "5:87: `approvers`: `iam:arn:aws:iam::111122223333:user/anna` stands here twice; the first is in line 5",
    );
}

#[test]
fn an_approver_is_one_plain_address_or_principal() {
    for (given, why) in [
        (
            "ops",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found `ops`",
        ),
        (
            "ops@example",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found `ops@example`",
        ),
        (
            "\"Ops <ops@example.org>\"",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found the text `Ops <ops@example.org>`",
        ),
        (
            "\"a@example.com, b@example.com\"",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found the text `a@example.com, b@example.com`",
        ),
        (
            "\"a@b@example.com\"",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found the text `a@b@example.com`",
        ),
        (
            "a..b@example.com",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found `a..b@example.com`",
        ),
        (
            "a@-example.com",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found `a@-example.com`",
        ),
        (
            "\"slack:anna\"",
            "`approvers`: expected a Slack user ID, such as slack:U024BE7LH; found the text `slack:anna`",
        ),
        (
            "\"arn:aws:iam::111122223333:user/anna\"",
            "`approvers`: write `iam:arn:aws:iam::111122223333:user/anna` for an IAM principal",
        ),
        (
            "\"iam:anna\"",
            "`approvers`: `anna` is not an ARN such as arn:aws:iam::111122223333:user/anna",
        ),
        (
            "\"iam:arn:aws:iam::1111:user/anna\"",
            "`approvers`: `arn:aws:iam::1111:user/anna` has no account of 12 digits",
        ),
        (
            "\"iam:arn:aws:iam::111122223333:us*er/anna\"",
            "`approvers`: `arn:aws:iam::111122223333:us*er/anna` does not end in a principal such as user/anna; a * may stand only at the end",
        ),
        (
            "\"iam:arn:aws:s3::111122223333:user/anna\"",
            "`approvers`: `arn:aws:s3::111122223333:user/anna` is neither of IAM nor of STS",
        ),
        (
            "\"iam:arn:aws:iam::111122223333:role/path/Ops\"",
            "`approvers`: `arn:aws:iam::111122223333:role/path/Ops` is a role, and a role never calls as itself but as a session: write iam:arn:aws:sts::111122223333:assumed-role/Ops/*",
        ),
        (
            "7",
            "`approvers`: expected an approver: name@example.com, slack:U024BE7LH or iam:arn:aws:iam::…; found `7`",
        ),
    ] {
        change(ANNA, given, &format!("5:44: {why}"));
    }
    for given in [
        "first.last+tag@mail.example.co.uk",
        "\"iam:arn:aws:sts::111122223333:assumed-role/Ops/*\"",
        "\"iam:arn:aws-cn:iam::111122223333:root\"",
    ] {
        change(ANNA, given, "nothing");
    }
}

#[test]
fn a_gate_that_is_missing_is_told() {
    change(
        "  finalize: { after_soak: 24h, automatic: true }\n",
        "",
        "5:3: `finalize` is missing; it has to stand in the gates",
    );
    change(
        "after_soak: 24h",
        "after_soak: 91d",
        "6:27: `after_soak`: expected a duration from 0s to 90d; found `91d`",
    );
    change("after_soak: 24h", "after_soak: 0s", "nothing");
    change(
        "  cutover:  {",
        "  cutover:  { after_soak: 1h, ",
        "5:15: unknown key `after_soak`; the cutover gate may have `automatic`, `approvers`, `quorum`, `expires`, `on_expiry`, `notify`, `remind`, `escalate`, `minimum` and `self_approval`",
    );
}

#[test]
fn a_policy_has_bounds() {
    change(
        "failure_budget: 5%",
        "failure_budget: 5",
        "7:53: `failure_budget`: expected whole per cent from 0% to 100%, such as 5%; found `5`",
    );
    change(
        "failure_budget: 5%",
        "failure_budget: 101%",
        "7:53: `failure_budget`: expected whole per cent from 0% to 100%, such as 5%; found `101%`",
    );
    change(
        "failure_budget: 5%",
        "failure_budget: -1%",
        "7:53: `failure_budget`: expected whole per cent from 0% to 100%, such as 5%; found `-1%`",
    );
    change(
        "failure_budget: 5%",
        "failure_budget: 2.5%",
        "7:53: `failure_budget`: expected whole per cent from 0% to 100%, such as 5%; found `2.5%`",
    );
    change("failure_budget: 5%", "failure_budget: 100%", "nothing");
    change(
        "attempts: 3",
        "attempts: 0",
        "7:34: `attempts`: expected a whole number from 1 to 10, without quotes; found `0`",
    );
    change(
        "attempts: 3",
        "attempts: 11",
        "7:34: `attempts`: expected a whole number from 1 to 10, without quotes; found `11`",
    );
    change(
        "max_lag: 1m",
        "max_lag: 0s",
        "7:20: `max_lag`: expected a duration from 1s to 24h; found `0s`",
    );
    change(
        "max_lag: 1m",
        "max_lag: 1",
        "7:20: `max_lag`: expected a duration with its unit, such as 30s, 5m, 1h30m or 7d; found `1`",
    );
    change(
        "max_lag: 1m",
        "max_lag: P1D",
        "7:20: `max_lag`: expected a duration with its unit, such as 30s, 5m, 1h30m or 7d; found `P1D`",
    );
    change(
        "max_lag: 1m",
        "observe_every: 500ms",
        "7:26: `observe_every`: expected a duration of whole seconds; found `500ms`",
    );
    change(
        "max_lag: 1m",
        "observe_every: 0s",
        "7:26: `observe_every`: expected a duration from 1s to 1h; found `0s`",
    );
    change(
        "max_lag: 1m",
        "on_failure: ignore",
        "7:23: `on_failure`: expected `hold` or `skip`; found `ignore`",
    );
    change(
        "max_lag: 1m",
        "on_failure: skp",
        "7:23: `on_failure`: unknown value `skp`; did you mean `skip`?",
    );
}
