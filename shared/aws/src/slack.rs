//! Slack: its Web API, incoming webhooks and `response_url`s, over the HTTP client that the SDK
//! brings; and the app's secret, an SSM parameter.
//!
//! **Invariant**: the secret is read when it is needed, kept in memory for [`KEPT`], and never
//! logged: no error here repeats an address, a token or anything of the secret.

use std::error::Error;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_smithy_http_client::default_connector;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_domain::effect::RefusalKind;
use tidegate_domain::wave::Posted;
use tidegate_ports::error::{CallError, ReadError};
use tidegate_ports::slack::{Answer, SlackClicks, SlackPosts, not_set_up};
use tidegate_slack::app::{App, Delivery, Secret};
use tidegate_slack::message::Message;

use crate::failures::{read_error, shorten};

/// How long the secret is kept before it is read again: a rotated one works after that.
const KEPT: Duration = Duration::from_secs(300);

/// Attempts to write a message, how long one may take, and the pauses between them: together less
/// than [`CALL_MARGIN`](tidegate_ports::act::CALL_MARGIN).
const ATTEMPTS: u32 = 3;
const ATTEMPT: Duration = Duration::from_millis(3_500);
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long one answer to a click may take: there is time for another.
const ANSWER: Duration = Duration::from_millis(1_500);

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 64 * 1024;

/// A deployment's Slack app.
#[derive(Debug)]
pub struct SlackClient {
    ssm: Client,
    parameter: String,
    api: String,
    hooks: String,
    connector: OnceLock<SharedHttpConnector>,
    kept: Mutex<Option<(Instant, Arc<App>)>>,
}

/// What was answered.
struct Reply {
    status: u16,
    retry_after: Option<u64>,
    body: Vec<u8>,
}

/// What the Web API answers (docs.slack.dev, "chat.postMessage").
#[derive(Deserialize)]
struct ApiReply {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

impl SlackClient {
    /// The app whose secret is the SSM parameter of that name; none if it is empty. `stand_in` is
    /// the address of something that stands in for Slack; empty for Slack itself.
    #[must_use]
    pub fn new(config: &SdkConfig, parameter: &str, stand_in: &str) -> Self {
        let stand_in = stand_in.trim_end_matches('/');
        let (api, hooks) = if stand_in.is_empty() {
            (
                "https://slack.com/api",
                "https://hooks.slack.com/".to_owned(),
            )
        } else {
            (&*format!("{stand_in}/api"), format!("{stand_in}/"))
        };
        Self {
            ssm: Client::new(config),
            parameter: parameter.to_owned(),
            api: api.to_owned(),
            hooks,
            connector: OnceLock::new(),
            kept: Mutex::new(None),
        }
    }

    async fn read(&self) -> Result<Option<Arc<App>>, ReadError> {
        if self.parameter.is_empty() {
            return Ok(None);
        }
        if let Some(app) = self.fresh() {
            return Ok(Some(app));
        }
        let output = self
            .ssm
            .get_parameter()
            .name(&self.parameter)
            .with_decryption(true)
            .send()
            .await
            .map_err(read_error)?;
        let secret = output.parameter.and_then(|parameter| parameter.value);
        let app = App::parse(&secret.unwrap_or_default()).map_err(|error| {
            ReadError::Failed(format!("the Slack secret {}: {error}", self.parameter))
        })?;
        let app = Arc::new(app);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some((Instant::now(), Arc::clone(&app)));
        Ok(Some(app))
    }

    fn fresh(&self) -> Option<Arc<App>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref()
            .filter(|(since, _)| since.elapsed() < KEPT)
            .map(|(_, app)| Arc::clone(app))
    }

    /// The app, for a call: what cannot be read is refused or unknown.
    async fn configured(&self) -> Result<Arc<App>, CallError> {
        match self.read().await {
            Ok(Some(app)) => Ok(app),
            Ok(None) => Err(not_set_up()),
            Err(ReadError::Denied(message)) => {
                Err(CallError::refused(RefusalKind::Denied, message))
            }
            Err(ReadError::NotFound(message)) => {
                Err(CallError::refused(RefusalKind::NotFound, message))
            }
            Err(error) => Err(CallError::Unknown(error.to_string())),
        }
    }

    /// A call of the Web API, with the bot's token.
    async fn api(&self, method: &str, token: &Secret, body: &Value) -> Result<ApiReply, CallError> {
        let url = format!("{}/{method}", self.api);
        let reply = self.patiently(&url, Some(token), body).await?;
        let parsed: ApiReply = serde_json::from_slice(&reply.body).map_err(|_| {
            CallError::Unknown(format!("Slack answered {method} with what is no JSON"))
        })?;
        if parsed.ok {
            Ok(parsed)
        } else {
            let mut error = parsed.error.unwrap_or_default();
            shorten(&mut error, 100);
            Err(refusal(method, &error))
        }
    }

    /// POST until there is an answer that is not "later".
    async fn patiently(
        &self,
        url: &str,
        token: Option<&Secret>,
        body: &Value,
    ) -> Result<Reply, CallError> {
        let mut attempt = 1;
        loop {
            let (error, pause) = match self.post_json(url, token, body, ATTEMPT).await {
                Ok(reply) if reply.status == 429 => {
                    let wait = reply.retry_after.map_or(PAUSE, Duration::from_secs);
                    let message = "Slack is asked too often (HTTP 429)";
                    (CallError::refused(RefusalKind::Throttled, message), wait)
                }
                Ok(reply) if reply.status >= 500 => {
                    let message = format!("Slack failed (HTTP {})", reply.status);
                    (CallError::Unknown(message), PAUSE)
                }
                Ok(reply) => return Ok(reply),
                Err(error) => (error, PAUSE),
            };
            if attempt == ATTEMPTS {
                return Err(error);
            }
            attempt += 1;
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        }
    }

    async fn post_json(
        &self,
        url: &str,
        token: Option<&Secret>,
        body: &Value,
        within: Duration,
    ) -> Result<Reply, CallError> {
        let mut request = HttpRequest::new(SdkBody::from(body.to_string()));
        let prepared = request.set_method("POST").is_ok() && request.set_uri(url).is_ok();
        if !prepared {
            return Err(CallError::refused(
                RefusalKind::Invalid,
                "Slack's address cannot be read",
            ));
        }
        let headers = request.headers_mut();
        headers.insert("content-type", "application/json; charset=utf-8");
        if let Some(token) = token {
            headers.insert("authorization", format!("Bearer {}", token.expose()));
        }
        match tokio::time::timeout(within, self.exchange(request)).await {
            Ok(result) => result.map_err(|error| CallError::Unknown(why(&*error))),
            Err(_) => Err(CallError::Unknown(
                "Slack did not answer in time".to_owned(),
            )),
        }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<Reply, Box<dyn Error + Send + Sync>> {
        let connector = self.connector.get_or_init(|| {
            let settings = HttpConnectorSettings::builder().build();
            default_connector(&settings, None).expect("the client is built with TLS")
        });
        let response = connector.call(request).await?;
        let status = response.status().as_u16();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|seconds| seconds.parse().ok());
        let mut stream = ByteStream::new(response.into_body());
        let mut body = Vec::new();
        while let Some(bytes) = stream.try_next().await? {
            if body.len() + bytes.len() > MOST_BYTES {
                return Err("the answer is too long".into());
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Reply {
            status,
            retry_after,
            body,
        })
    }
}

impl SlackPosts for SlackClient {
    async fn post(&self, message: &Message) -> Result<Option<Posted>, CallError> {
        let app = self.configured().await?;
        match &app.delivery {
            Delivery::Bot { token, channel } => {
                let body = json!({
                    "channel": channel, "text": message.text, "blocks": message.blocks,
                    "unfurl_links": false, "unfurl_media": false,
                });
                let reply = self.api("chat.postMessage", token, &body).await?;
                Ok(reply
                    .channel
                    .zip(reply.ts)
                    .map(|(channel, ts)| Posted { channel, ts }))
            }
            Delivery::Webhook { url } => {
                let url = url.expose();
                if !url.starts_with(&self.hooks) {
                    return Err(not_slacks());
                }
                let body = json!({"text": message.text, "blocks": message.blocks});
                let reply = self.patiently(url, None, &body).await?;
                accepted(&reply).map(|()| None)
            }
        }
    }

    async fn change(&self, posted: &Posted, message: &Message) -> Result<(), CallError> {
        let app = self.configured().await?;
        let Delivery::Bot { token, .. } = &app.delivery else {
            let message = "a webhook's message cannot be changed";
            return Err(CallError::refused(RefusalKind::Guard, message));
        };
        let body = json!({
            "channel": posted.channel, "ts": posted.ts, "text": message.text,
            "blocks": message.blocks,
        });
        self.api("chat.update", token, &body).await.map(|_| ())
    }
}

impl SlackClicks for SlackClient {
    async fn app(&self) -> Result<Option<Arc<App>>, ReadError> {
        self.read().await
    }

    async fn answer(&self, response_url: &str, answer: &Answer) -> Result<(), CallError> {
        // The slash at the end of the host keeps out every other host.
        if !response_url.starts_with(&self.hooks) {
            return Err(not_slacks());
        }
        let body = match answer {
            Answer::Replace(message) => json!({
                "replace_original": true, "text": message.text, "blocks": message.blocks,
            }),
            Answer::Whisper(text) => json!({
                "replace_original": false, "response_type": "ephemeral", "text": text,
            }),
        };
        let reply = self.post_json(response_url, None, &body, ANSWER).await?;
        accepted(&reply)
    }

    async fn within<T>(&self, time: SignedDuration, work: impl Future<Output = T>) -> Option<T> {
        let time = time.try_into().unwrap_or_default();
        tokio::time::timeout(time, work).await.ok()
    }
}

fn not_slacks() -> CallError {
    CallError::refused(RefusalKind::Invalid, "the address is not Slack's")
}

/// What a webhook or a `response_url` answered: 200, or why not as text.
fn accepted(reply: &Reply) -> Result<(), CallError> {
    let kind = match reply.status {
        200..=299 => return Ok(()),
        429 => RefusalKind::Throttled,
        403 => RefusalKind::Denied,
        404 | 410 => RefusalKind::NotFound,
        400..=499 => RefusalKind::Invalid,
        status => return Err(CallError::Unknown(format!("Slack failed (HTTP {status})"))),
    };
    let mut said = String::from_utf8_lossy(&reply.body).into_owned();
    shorten(&mut said, 100);
    let message = format!("Slack refused the message (HTTP {}): {said}", reply.status);
    Err(CallError::refused(kind, message))
}

/// What an error of the Web API means.
fn refusal(method: &str, error: &str) -> CallError {
    let kind = match error {
        "ratelimited" | "rate_limited" => RefusalKind::Throttled,
        "internal_error" | "fatal_error" | "service_unavailable" | "request_timeout" => {
            return CallError::Unknown(format!("Slack failed at {method}: {error}"));
        }
        "channel_not_found" | "is_archived" | "message_not_found" => RefusalKind::NotFound,
        "not_authed"
        | "invalid_auth"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "not_in_channel"
        | "restricted_action"
        | "no_permission"
        | "access_denied"
        | "ekm_access_denied"
        | "team_access_not_granted" => RefusalKind::Denied,
        _ => RefusalKind::Invalid,
    };
    CallError::refused(kind, format!("Slack refused {method}: {error}"))
}

/// An error with its causes. None of them has the address in it.
fn why(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("Slack could not be reached: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    shorten(&mut text, 500);
    text
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::*;

    fn client(stand_in: &str) -> SlackClient {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .build();
        SlackClient::new(&config, "", stand_in)
    }

    #[tokio::test]
    async fn nothing_is_sent_anywhere_but_to_slack() {
        let whisper = Answer::Whisper("hello".to_owned());
        let refused = Err(not_slacks());
        let slack = client("");
        for url in [
            "http://hooks.slack.com/actions/T/1/x",
            "https://hooks.slack.com.evil.example/actions",
            "https://hooks.slack.com@evil.example/actions",
            "https://hooks.slack.com",
            "https://evil.example/?https://hooks.slack.com/",
            "file:///etc/passwd",
            "http://169.254.169.254/latest/meta-data/",
            "",
        ] {
            assert_eq!(slack.answer(url, &whisper).await, refused, "{url}");
        }
        let stand_in = client("http://127.0.0.1:9");
        let other = stand_in.answer("http://127.0.0.1:91/actions", &whisper);
        assert_eq!(other.await, refused);
        let real = stand_in.answer("https://hooks.slack.com/actions/T/1/x", &whisper);
        assert_eq!(real.await, refused);
    }

    #[tokio::test]
    async fn what_takes_too_long_is_given_up() {
        let slack = client("");
        let short = SignedDuration::from_millis(1);
        let never = slack.within(short, std::future::pending::<()>());
        assert_eq!(never.await, None);
        assert_eq!(slack.within(short, async { 7 }).await, Some(7));
        let over = SignedDuration::from_secs(-1);
        assert_eq!(slack.within(over, std::future::pending::<()>()).await, None);
    }

    #[tokio::test]
    async fn nobody_there_is_unknown_and_names_no_address() {
        let slack = client("http://127.0.0.1:1");
        let whisper = Answer::Whisper("hello".to_owned());
        let error = slack
            .answer("http://127.0.0.1:1/actions/secret", &whisper)
            .await
            .expect_err("nobody listens");
        assert!(matches!(&error, CallError::Unknown(message) if !message.contains("secret")));
    }

    #[tokio::test]
    async fn without_a_parameter_there_is_no_slack() {
        assert_eq!(client("").app().await, Ok(None));
        let message = Message {
            text: "hello".to_owned(),
            blocks: Vec::new(),
        };
        assert_eq!(client("").post(&message).await, Err(not_set_up()));
    }

    #[test]
    fn errors_of_slack_are_told_apart() {
        let kind = |error: &str| match refusal("chat.postMessage", error) {
            CallError::Refused(refusal) => Some(refusal.kind),
            CallError::Unknown(_) => None,
        };
        assert_eq!(kind("not_in_channel"), Some(RefusalKind::Denied));
        assert_eq!(kind("channel_not_found"), Some(RefusalKind::NotFound));
        assert_eq!(kind("ratelimited"), Some(RefusalKind::Throttled));
        assert_eq!(kind("invalid_blocks"), Some(RefusalKind::Invalid));
        assert_eq!(kind("internal_error"), None);
        let reply = |status| Reply {
            status,
            retry_after: None,
            body: b"no_service".to_vec(),
        };
        assert_eq!(accepted(&reply(200)), Ok(()));
        assert!(
            matches!(accepted(&reply(404)), Err(CallError::Refused(r)) if r.message.contains("no_service"))
        );
        assert!(matches!(accepted(&reply(503)), Err(CallError::Unknown(_))));
    }
}
