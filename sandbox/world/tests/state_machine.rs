//! The interpreter: Retry, Catch, Map, tokens and time-outs as Step Functions has them, and a
//! refusal of everything that it does not know.

use std::cell::RefCell;
use std::collections::VecDeque;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tidegate_world::asl::definition::Definition;
use tidegate_world::asl::machine::{Host, Run, TaskError};
use tidegate_world::fakes::run;

const DRIVER: &str = include_str!("../../../infra/statemachines/driver.asl.json");

/// Answers the next invocations as it is told, and writes down what happens.
#[derive(Debug, Default)]
struct Played {
    answers: RefCell<VecDeque<Result<Value, TaskError>>>,
    log: RefCell<Vec<String>>,
}

impl Played {
    fn with(answers: Vec<Result<Value, TaskError>>) -> Self {
        Self {
            answers: RefCell::new(answers.into()),
            log: RefCell::default(),
        }
    }

    fn note(&self, line: String) {
        self.log.borrow_mut().push(line);
    }

    fn answer(&self) -> Result<Value, TaskError> {
        self.answers
            .borrow_mut()
            .pop_front()
            .unwrap_or(Ok(json!({})))
    }
}

impl Host for Played {
    async fn invoke(
        &self,
        function: &str,
        payload: Value,
        _timeout: Option<SignedDuration>,
    ) -> Result<Value, TaskError> {
        self.note(format!("{function} {payload}"));
        self.answer()
    }

    async fn invoke_and_wait(
        &self,
        function: &str,
        payload: Value,
        token: &str,
        timeout: Option<SignedDuration>,
    ) -> Result<Value, TaskError> {
        self.note(format!(
            "{function} {payload} {token} {}",
            timeout.map_or(0, |t| t.as_secs())
        ));
        self.answer()
    }

    async fn start(&self, name: &str, input: Value) -> Result<Value, TaskError> {
        self.note(format!("start {name} {input}"));
        self.answer()
    }

    async fn sleep(&self, duration: SignedDuration) {
        self.note(format!("sleep {}", duration.as_secs_f64()));
    }

    fn fraction(&self) -> f64 {
        1.0
    }

    fn token(&self) -> String {
        "token".to_owned()
    }

    fn entered(&self, _state: &str) {}
}

/// Run a machine of these states, beginning with `A`.
fn play(states: Value, host: &Played, input: Value) -> Result<Value, TaskError> {
    let text = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": states}).to_string();
    let definition = Definition::parse(&text).expect("it is understood");
    let execution = Run::new(host, "orders-g1", &input);
    run(execution.run(&definition, input.clone()))
}

fn task(more: Value) -> Value {
    let mut task = json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "f", "Payload": {"x": "{% $states.input.x %}"}},
        "Output": "{% $states.result.Payload %}"});
    for (key, value) in more.as_object().into_iter().flatten() {
        task[key] = value.clone();
    }
    task
}

fn failed(name: &str) -> Result<Value, TaskError> {
    Err(TaskError::new(name, "because"))
}

#[test]
fn the_deployed_file_is_understood() {
    Definition::parse(DRIVER).expect("it is understood");
}

#[test]
fn a_task_is_tried_again_as_its_retry_says() {
    let host = Played::with(vec![failed("E"), failed("E"), failed("E"), Ok(json!(1))]);
    let retry = json!([{"ErrorEquals": ["Other"], "MaxAttempts": 9},
        {"ErrorEquals": ["E"], "IntervalSeconds": 1, "BackoffRate": 4, "MaxAttempts": 3,
         "MaxDelaySeconds": 10, "JitterStrategy": "FULL"}]);
    let states = json!({"A": task(json!({"Retry": retry, "End": true}))});
    assert_eq!(play(states, &host, json!({"x": 7})), Ok(json!(1)));
    assert_eq!(
        *host.log.borrow(),
        [
            r#"f {"x":7}"#,
            "sleep 1",
            r#"f {"x":7}"#,
            "sleep 4",
            r#"f {"x":7}"#,
            "sleep 10",
            r#"f {"x":7}"#
        ]
    );
}

#[test]
fn what_retries_do_not_mend_is_caught() {
    let host = Played::with(vec![failed("E"), failed("E"), failed("F")]);
    let retry = json!([{"ErrorEquals": ["E"], "IntervalSeconds": 1, "MaxAttempts": 1}]);
    let catch = json!([{"ErrorEquals": ["F"], "Next": "F"},
        {"ErrorEquals": ["States.ALL"],
         "Output": {"was": "{% $states.errorOutput.Error %}", "x": "{% $states.input.x %}"},
         "Next": "B"}]);
    let states = json!({
        "A": task(json!({"Retry": retry, "Catch": catch, "Next": "B"})),
        "B": {"Type": "Succeed"}, "F": {"Type": "Fail", "Error": "no"},
    });
    assert_eq!(
        play(states, &host, json!({"x": 7})),
        Ok(json!({"was": "E", "x": 7}))
    );
}

#[test]
fn what_nobody_catches_ends_the_execution() {
    let host = Played::with(vec![failed("E")]);
    let states = json!({"A": task(json!({"End": true}))});
    assert_eq!(
        play(states, &host, json!({"x": 7})).map_err(|e| e.error),
        Err("E".to_owned())
    );
}

#[test]
fn a_map_runs_each_item_and_a_caught_failure_spares_the_others() {
    let host = Played::with(vec![Ok(json!(1)), failed("E"), Ok(json!(3))]);
    let catch = json!([{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "C"}]);
    let part = json!({"ProcessorConfig": {"Mode": "INLINE"}, "StartAt": "B", "States": {
        "B": task(json!({"Catch": catch, "End": true})),
        "C": {"Type": "Pass", "End": true}}});
    let states = json!({"A": {"Type": "Map", "Items": "{% $states.input.items %}",
        "MaxConcurrency": 40, "ItemProcessor": part, "End": true}});
    let input = json!({"items": [{"x": 1}, {"x": 2}, {"x": 3}]});
    assert_eq!(play(states, &host, input), Ok(json!([1, {}, 3])));
}

#[test]
fn a_token_is_handed_over_and_a_time_out_is_caught() {
    let host = Played::with(vec![failed("States.Timeout")]);
    let states = json!({
        "A": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
            "Arguments": {"FunctionName": "park",
                "Payload": {"token": "{% $states.context.Task.Token %}"}},
            "TimeoutSeconds": 300,
            "Catch": [{"ErrorEquals": ["States.Timeout"], "Output": {"n": 2}, "Next": "W"}],
            "Next": "W"},
        "W": {"Type": "Wait", "Seconds": "{% $states.input.n %}", "End": true},
    });
    assert_eq!(play(states, &host, json!({})), Ok(json!({"n": 2})));
    assert_eq!(
        *host.log.borrow(),
        [r#"park {"token":"token"} token 300"#, "sleep 2"]
    );
}

#[test]
fn what_is_not_understood_is_refused_when_it_is_read() {
    let task = |member: &str, value: Value| {
        let mut task = task(json!({"End": true}));
        task[member] = value;
        json!({"A": task})
    };
    for states in [
        task("HeartbeatSeconds", json!(5)),
        task("Assign", json!({"x": 1})),
        task("ResultPath", json!("$.x")),
        task("Resource", json!("arn:aws:states:::dynamodb:putItem")),
        task("Next", json!("A")),
        json!({"A": {"Type": "Parallel", "Branches": [], "End": true}}),
        json!({"A": {"Type": "Pass", "Next": "Nowhere"}}),
        json!({"A": {"Type": "Pass"}}),
        json!({"B": {"Type": "Succeed"}}),
    ] {
        let text = json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": states});
        assert!(Definition::parse(&text.to_string()).is_err(), "{text}");
    }
    let path = json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}});
    assert!(Definition::parse(&path.to_string()).is_err(), "JSONPath");
}
