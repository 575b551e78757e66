//! Errands: what people ask of `console`, by the tools of an AWS principal or by the link in a mail.
//!
//! **Invariant**: a tool sends the same message under the same ID until it is answered; whoever uses a
//! link opens its page first, and sends the form that stands there.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tidegate_domain::id::{ApplicationName, WaveId};
use tidegate_domain::message::Body;
use tidegate_domain::plan::Approver;

use super::Cloud;
use super::functions::Function;
use super::invocation::invoke_slow;
use crate::invariants::{covered, violated};

/// How often somebody tries again what was not answered.
const MOST_TRIES: u32 = 12;

/// Something that somebody wants.
#[derive(Debug, Clone)]
pub struct Errand {
    /// Of which wave.
    pub wave: WaveId,
    /// Who.
    pub by: Approver,
    /// What; None for who only looks.
    pub body: Option<Body>,
    /// By which way.
    pub way: Way,
    /// How long `console` takes until it has appended it, if longer than usual.
    pub slow: SignedDuration,
}

/// A way to `console`.
#[derive(Debug, Clone)]
pub enum Way {
    /// A tool's request.
    Tool {
        /// `GET` or `POST`.
        method: &'static str,
        /// Below `/api`.
        path: String,
        /// What is sent.
        body: Value,
    },
    /// A link.
    Link {
        /// Its token.
        token: String,
        /// The button that is pressed.
        verdict: &'static str,
        /// The applications that are ticked.
        only: Vec<ApplicationName>,
    },
}

impl Errand {
    /// Do it, as often as it takes; gives the status that it was answered with at last. Whoever
    /// `persists` never gives up.
    pub async fn done(&self, cloud: &Rc<Cloud>, persists: bool) -> Option<u64> {
        cloud.note(|| format!("{}: {} wants {:?}", self.wave, self.by, self.body));
        if let Some(body) = &self.body {
            let wanted = (self.wave.clone(), self.by.clone(), body.clone());
            cloud.wanted.borrow_mut().push(wanted);
        }
        let mut tries = 0;
        while persists || tries < MOST_TRIES {
            tries += 1;
            match self.tried(cloud).await {
                Some(status @ (200 | 202)) => return Some(status),
                Some(500) => {
                    let text = format!("console cannot serve {:?}", self.way);
                    violated(cloud, 9, text);
                    return Some(500);
                }
                Some(status @ 400..500) => {
                    let what = match &self.way {
                        Way::Tool { .. } => "tool",
                        Way::Link { .. } => "link",
                    };
                    covered(cloud, format!("console refuses a {what}: {status}"));
                    return Some(status);
                }
                Some(_) | None => covered(cloud, "console is asked again"),
            }
            let pause = cloud.random.borrow_mut().between(5, 60);
            let pause = SignedDuration::from_secs(i64::try_from(pause).unwrap_or(5));
            cloud.runtime.sleep(pause).await;
        }
        None
    }

    async fn tried(&self, cloud: &Rc<Cloud>) -> Option<u64> {
        match &self.way {
            Way::Tool { method, path, body } => {
                let mut request = request(method, &format!("/api{path}"));
                if *method == "POST" {
                    request["headers"] = json!({"content-type": "application/json"});
                    request["body"] = body.to_string().into();
                }
                let arn = match &self.by {
                    Approver::Iam(arn) => arn,
                    Approver::Mail(_) | Approver::Slack(_) => return None,
                };
                request["requestContext"]["authorizer"] = json!({"iam": {"userArn": arn}});
                Some(served(cloud, request, self.slow).await?.0)
            }
            Way::Link {
                token,
                verdict,
                only,
            } => {
                let mut page = request("GET", "/decide");
                page["rawQueryString"] = format!("token={token}").into();
                let (status, text) = served(cloud, page, SignedDuration::ZERO).await?;
                let Some(nonce) = nonce(&text) else {
                    // Nothing can be decided on such a page.
                    return Some(if status == 200 { 500 } else { status });
                };
                let mut form = vec![("token", token.as_str()), ("nonce", nonce)];
                form.push(("verdict", verdict));
                form.extend(only.iter().map(|name| ("only", name.as_str())));
                let mut post = request("POST", "/decide");
                let kind = "application/x-www-form-urlencoded";
                post["headers"] = json!(BTreeMap::from([("content-type", kind)]));
                post["body"] = serde_urlencoded::to_string(form).ok()?.into();
                Some(served(cloud, post, self.slow).await?.0)
            }
        }
    }
}

/// A request as API Gateway hands it on.
pub(super) fn request(method: &str, path: &str) -> Value {
    json!({
        "rawPath": path,
        "requestContext": {"http": {"method": method, "sourceIp": "192.0.2.1"}},
    })
}

/// Status and body of the answer; None if there is none.
async fn served(cloud: &Rc<Cloud>, request: Value, slow: SignedDuration) -> Option<(u64, String)> {
    let answer = invoke_slow(cloud, Function::Console, request, slow);
    let answer = answer.take().await.ok()?;
    let text = answer["body"].as_str().unwrap_or_default();
    Some((answer["statusCode"].as_u64()?, text.to_owned()))
}

/// The code in a page's form.
fn nonce(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("name=\"nonce\" value=\"")?;
    rest.split('"').next()
}
