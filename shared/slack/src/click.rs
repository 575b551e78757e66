//! Clicks: the `block_actions` payload that Slack sends when somebody presses a button
//! (docs.slack.dev, "block_actions payload"): a form with one field, `payload`, which is JSON.
//!
//! To be read once the request's signature was verified, and not before. What is not needed is not
//! read.

use serde::Deserialize;
use tidegate_domain::gate::Verdict;

use crate::app::{App, is_id};

/// The button that approves.
pub const APPROVE: &str = "tidegate_approve";

/// The button that rejects.
pub const REJECT: &str = "tidegate_reject";

/// The button that asks for the wave's page.
pub const LOOK: &str = "tidegate_look";

/// A click on a button of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// The workspace of the message, if Slack says: it names none where the app is installed in a
    /// whole organization.
    pub team: Option<String>,
    /// The organization of the message (`E…`), if it has one.
    pub enterprise: Option<String>,
    /// Who clicked: `U…` or `W…`.
    pub user: String,
    /// The workspace of whoever clicked, or their organization (`E…`), if Slack says: in a channel
    /// that is shared between organizations it can be another.
    pub user_team: Option<String>,
    /// Which button.
    pub pressed: Pressed,
    /// Where the message can be changed: up to 5 times within 30 minutes (docs.slack.dev,
    /// "Handling user interaction").
    pub response_url: Option<String>,
}

/// Which button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pressed {
    /// One that decides.
    Decide {
        /// What it says.
        verdict: Verdict,
        /// The value that it carries.
        value: String,
    },
    /// The one that asks for the wave's page.
    Look {
        /// The value that it carries.
        value: String,
    },
}

/// What came is no click on a button of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClickError {
    /// It cannot be read.
    #[error("the request is not a payload of Slack's")]
    Form,
    /// Another kind of interaction.
    #[error("only clicks on buttons are taken")]
    Kind,
    /// Not by a user of a workspace.
    #[error("the request does not say who clicked, and in which workspace")]
    Nobody,
    /// No button of ours, or several.
    #[error("the action is none of Tidegate's")]
    Unknown,
}

#[derive(Deserialize)]
struct Form {
    payload: String,
}

#[derive(Deserialize)]
struct Payload {
    r#type: String,
    team: Option<Team>,
    enterprise: Option<Enterprise>,
    user: Option<User>,
    #[serde(default)]
    actions: Vec<Action>,
    response_url: Option<String>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
    enterprise_id: Option<String>,
}

#[derive(Deserialize)]
struct Enterprise {
    id: String,
}

#[derive(Deserialize)]
struct User {
    id: String,
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    value: Option<String>,
}

impl Click {
    /// Read the body of a verified request.
    ///
    /// # Errors
    /// It is no click on a button of ours.
    pub fn parse(body: &[u8]) -> Result<Self, ClickError> {
        let Form { payload } = serde_urlencoded::from_bytes(body).map_err(|_| ClickError::Form)?;
        let payload: Payload = serde_json::from_str(&payload).map_err(|_| ClickError::Form)?;
        if payload.r#type != "block_actions" {
            return Err(ClickError::Kind);
        }
        let (team, within) = match payload.team {
            Some(team) => (Some(team.id), team.enterprise_id),
            None => (None, None),
        };
        let enterprise = payload.enterprise.map(|enterprise| enterprise.id);
        let enterprise = enterprise.or(within);
        let user = payload.user.ok_or(ClickError::Nobody)?;
        if team.is_none() && enterprise.is_none() {
            return Err(ClickError::Nobody);
        }
        if !is_id(&user.id, &['U', 'W']) {
            return Err(ClickError::Nobody);
        }
        let Ok([action]) = <[Action; 1]>::try_from(payload.actions) else {
            return Err(ClickError::Unknown);
        };
        let pressed = match (action.action_id.as_str(), action.value) {
            (APPROVE, Some(value)) => Pressed::Decide {
                verdict: Verdict::Approve,
                value,
            },
            (REJECT, Some(value)) => Pressed::Decide {
                verdict: Verdict::Reject,
                value,
            },
            (LOOK, Some(value)) => Pressed::Look { value },
            _ => return Err(ClickError::Unknown),
        };
        Ok(Self {
            team,
            enterprise,
            user: user.id,
            user_team: user.team_id,
            pressed,
            response_url: payload.response_url,
        })
    }

    /// Whether it comes from where the app is installed, and so does whoever clicked, as far as
    /// Slack says. An app of a workspace takes members of the workspace and, where it belongs to an
    /// organization, those that Slack calls members of that; an app of an organization takes the
    /// organization's, and members of the workspace that the message is in.
    #[must_use]
    pub fn is_from(&self, app: &App) -> bool {
        let home = Some(&app.team);
        if home != self.team.as_ref() && home != self.enterprise.as_ref() {
            return false;
        }
        let Some(theirs) = &self.user_team else {
            return true;
        };
        let here = [self.team.as_ref(), self.enterprise.as_ref()];
        // An organization's app may be told no workspace, and then its members' own ones.
        here.contains(&Some(theirs)) || (self.team.is_none() && theirs.starts_with('T'))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn body(payload: &Value) -> Vec<u8> {
        serde_urlencoded::to_string([("payload", payload.to_string())])
            .expect("a form")
            .into_bytes()
    }

    fn payload() -> Value {
        json!({
            "type": "block_actions",
            "team": {"id": "T024BE7LD", "domain": "example"},
            "user": {"id": "U024BE7LH", "username": "anna", "team_id": "T024BE7LD"},
            "api_app_id": "A02",
            "container": {"type": "message", "message_ts": "1548261231.000200"},
            "response_url": "https://hooks.slack.com/actions/T024BE7LD/1/x",
            "actions": [{"action_id": "tidegate_approve", "block_id": "b", "type": "button", "value": "a.b", "action_ts": "1548426417.840180"}],
        })
    }

    #[test]
    fn a_click_is_read() {
        let click = Click::parse(&body(&payload())).expect("a click");
        assert_eq!(
            click,
            Click {
                team: Some("T024BE7LD".to_owned()),
                enterprise: None,
                user: "U024BE7LH".to_owned(),
                user_team: Some("T024BE7LD".to_owned()),
                pressed: Pressed::Decide {
                    verdict: Verdict::Approve,
                    value: "a.b".to_owned(),
                },
                response_url: Some("https://hooks.slack.com/actions/T024BE7LD/1/x".to_owned()),
            }
        );
    }

    fn app(team: &str) -> App {
        let secret = json!({
            "signing_secret": "8f742231b10e8888abcd99yyyzzz85a5", "team_id": team,
            "webhook_url": "https://hooks.slack.com/services/T/B/x",
        });
        App::parse(&secret.to_string()).expect("an app")
    }

    #[test]
    fn clicks_of_an_organization_are_told_from_others() {
        let check = |app_of: &str, team: Value, enterprise: Value, user: Value, expected: bool| {
            let mut sent = payload();
            sent["team"] = team;
            sent["enterprise"] = enterprise;
            sent["user"]["team_id"] = user;
            let click = Click::parse(&body(&sent)).expect("a click");
            assert_eq!(click.is_from(&app(app_of)), expected, "{app_of}: {sent}");
        };
        let team = || json!({"id": "T024BE7LD", "domain": "example"});
        let org = || json!({"id": "E024BE7LD", "name": "Example"});
        let other = || json!({"id": "E0EVIL000", "name": "Other"});
        let none = Value::Null;
        // Of a workspace, alone or in an organization.
        let of = "T024BE7LD";
        check(of, team(), none.clone(), json!("T024BE7LD"), true);
        check(of, team(), none.clone(), none.clone(), true);
        check(of, team(), org(), json!("E024BE7LD"), true);
        check(of, team(), org(), json!("E0EVIL000"), false);
        check(of, team(), none.clone(), json!("E024BE7LD"), false);
        check(of, team(), none.clone(), json!("T0EVIL000"), false);
        check(
            of,
            json!({"id": "T0EVIL000"}),
            org(),
            json!("T024BE7LD"),
            false,
        );
        check(of, none.clone(), org(), json!("T024BE7LD"), false);
        // Of an organization, whichever way Slack names it.
        let of = "E024BE7LD";
        check(of, none.clone(), org(), json!("T0ANY0000"), true);
        check(of, none.clone(), org(), json!("E024BE7LD"), true);
        check(of, team(), org(), json!("E024BE7LD"), true);
        check(of, team(), org(), json!("T024BE7LD"), true);
        let within = json!({"id": "T024BE7LD", "enterprise_id": "E024BE7LD"});
        check(of, within, none.clone(), none.clone(), true);
        check(of, team(), org(), json!("T0EVIL000"), false);
        check(of, team(), org(), json!("E0EVIL000"), false);
        check(of, none.clone(), org(), json!("E0EVIL000"), false);
        check(of, team(), other(), json!("E024BE7LD"), false);
        check(of, team(), none.clone(), json!("T024BE7LD"), false);
        check(of, none, other(), json!("E0EVIL000"), false);
    }

    #[test]
    fn whoever_wants_to_look_decides_nothing() {
        let mut look = payload();
        look["actions"][0]["action_id"] = json!("tidegate_look");
        let click = Click::parse(&body(&look)).expect("a click");
        let value = "a.b".to_owned();
        assert_eq!(click.pressed, Pressed::Look { value });
    }

    #[test]
    fn what_is_no_click_of_ours_is_refused() {
        let check = |change: &dyn Fn(&mut Value), expected: ClickError| {
            let mut changed = payload();
            change(&mut changed);
            assert_eq!(Click::parse(&body(&changed)), Err(expected), "{changed}");
        };
        check(&|p| p["type"] = json!("view_submission"), ClickError::Kind);
        check(&|p| p["team"] = json!(null), ClickError::Nobody);
        check(&|p| p["user"] = json!(null), ClickError::Nobody);
        for user in ["", "u024be7lh", "B024BE7LH", "U024BE7LH>", "U 24BE7LH"] {
            check(&|p| p["user"]["id"] = json!(user), ClickError::Nobody);
        }
        check(&|p| p["actions"] = json!([]), ClickError::Unknown);
        check(
            &|p| {
                let action = p["actions"][0].clone();
                p["actions"] = json!([action.clone(), action]);
            },
            ClickError::Unknown,
        );
        check(
            &|p| p["actions"][0]["action_id"] = json!("tidegate_finalize"),
            ClickError::Unknown,
        );
        check(
            &|p| p["actions"][0]["value"] = json!(null),
            ClickError::Unknown,
        );
        check(&|p| p["type"] = json!(7), ClickError::Form);
        for body in [
            &b""[..],
            b"payload",
            b"payload={",
            b"payload=%FF",
            b"payload={}&payload={}",
        ] {
            assert_eq!(Click::parse(body), Err(ClickError::Form));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_crash_it(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Click::parse(&body);
        }

        #[test]
        fn no_json_crashes_it(text in "\\PC{0,200}") {
            let form = serde_urlencoded::to_string([("payload", text)]).expect("a form");
            let _ = Click::parse(form.as_bytes());
        }
    }
}
