//! The Slack app of a deployment: what its secret holds.

use serde::Deserialize;

/// A Slack app: who signs its requests, whose workspace it is in, where its messages go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Slack signs with it what it sends to the app.
    pub signing_secret: Secret,
    /// Where it is installed: a workspace (`T…`), or a whole organization (`E…`).
    pub team: String,
    /// How messages are sent.
    pub delivery: Delivery,
}

/// How messages are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// By `chat.postMessage`; such messages can be changed later.
    Bot {
        /// `xoxb-…`, with the scope `chat:write`.
        token: Secret,
        /// The channel's ID; the bot is a member of it.
        channel: String,
    },
    /// By an incoming webhook, which belongs to one channel. Its messages can be changed only in
    /// answer to a click.
    Webhook {
        /// Its address. Whoever has it can write to the channel.
        url: Secret,
    },
}

/// Text that nothing prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// The secret is not what it should be. Says what is wrong without repeating anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppError {
    /// It is not JSON of that form.
    #[error(
        "it is not a JSON object of signing_secret, team_id, and either bot_token with channel or \
         webhook_url, each a text"
    )]
    Form,
    /// A signing secret is 32 hexadecimal digits; a short one could be guessed.
    #[error("its signing_secret is too short or has spaces")]
    SigningSecret,
    /// Not an ID of a workspace.
    #[error("its team_id is not the ID of a workspace, such as T024BE7LD")]
    Team,
    /// Not an ID of a channel.
    #[error("its channel is not the ID of a channel, such as C024BE91L")]
    Channel,
    /// Not a bot's token.
    #[error("its bot_token does not begin with xoxb-")]
    Token,
    /// Not an address.
    #[error("its webhook_url is not an address")]
    Webhook,
    /// Both or none.
    #[error("it must have either bot_token with channel, or webhook_url")]
    Delivery,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    signing_secret: String,
    team_id: String,
    bot_token: Option<String>,
    channel: Option<String>,
    webhook_url: Option<String>,
}

/// The shortest signing secret that is taken.
const SHORTEST_SECRET: usize = 32;

impl App {
    /// Read the secret: `{"signing_secret", "team_id", "bot_token", "channel"}` or
    /// `{"signing_secret", "team_id", "webhook_url"}`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(secret: &str) -> Result<Self, AppError> {
        // serde's own message would repeat parts of the secret.
        let wire: Wire = serde_json::from_str(secret).map_err(|_| AppError::Form)?;
        if wire.signing_secret.len() < SHORTEST_SECRET || !printable(&wire.signing_secret) {
            return Err(AppError::SigningSecret);
        }
        if !is_id(&wire.team_id, &['T', 'E']) {
            return Err(AppError::Team);
        }
        let delivery = match (wire.bot_token, wire.channel, wire.webhook_url) {
            (Some(token), Some(channel), None) => {
                if !token.starts_with("xoxb-") || !printable(&token) {
                    return Err(AppError::Token);
                }
                if !is_id(&channel, &['C', 'G', 'D']) {
                    return Err(AppError::Channel);
                }
                let token = Secret(token);
                Delivery::Bot { token, channel }
            }
            (None, None, Some(url)) => {
                let address = url.starts_with("https://") || url.starts_with("http://");
                if !address || !printable(&url) {
                    return Err(AppError::Webhook);
                }
                Delivery::Webhook { url: Secret(url) }
            }
            _ => return Err(AppError::Delivery),
        };
        Ok(Self {
            signing_secret: Secret(wire.signing_secret),
            team: wire.team_id,
            delivery,
        })
    }
}

impl Secret {
    /// The text, for whoever has to send it or to sign with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Whether the text is an ID of Slack's: one of these letters, then capital letters and digits.
pub(crate) fn is_id(text: &str, first: &[char]) -> bool {
    text.starts_with(first)
        && (3..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn printable(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNING: &str = "8f742231b10e8888abcd99yyyzzz85a5";

    #[test]
    fn a_bot_and_a_webhook_are_read() {
        let bot = format!(
            r#"{{"signing_secret":"{SIGNING}","team_id":"T024BE7LD","bot_token":"xoxb-1-2","channel":"C024BE91L"}}"#
        );
        let app = App::parse(&bot).expect("an app");
        assert_eq!(app.team, "T024BE7LD");
        assert!(
            matches!(&app.delivery, Delivery::Bot { token, channel } if token.expose() == "xoxb-1-2" && channel == "C024BE91L")
        );
        let webhook = format!(
            r#"{{"signing_secret":"{SIGNING}","team_id":"T024BE7LD","webhook_url":"https://hooks.slack.com/services/T/B/X"}}"#
        );
        let app = App::parse(&webhook).expect("an app");
        assert!(matches!(app.delivery, Delivery::Webhook { .. }));
    }

    #[test]
    fn nothing_of_a_secret_is_ever_printed() {
        let bot = format!(
            r#"{{"signing_secret":"{SIGNING}","team_id":"T024BE7LD","bot_token":"xoxb-1-2","channel":"C024BE91L"}}"#
        );
        let printed = format!("{:?}", App::parse(&bot).expect("an app"));
        assert!(
            !printed.contains(SIGNING) && !printed.contains("xoxb"),
            "{printed}"
        );
        // serde would quote the value that has the wrong type.
        let wrong = App::parse(r#""xoxb-1-2""#).expect_err("no object");
        assert!(!wrong.to_string().contains("xoxb-1"), "{wrong}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let check = |fields: &str, expected: AppError| {
            assert_eq!(App::parse(fields), Err(expected), "{fields}");
        };
        let with = |rest: &str| format!(r#"{{"signing_secret":"{SIGNING}",{rest}}}"#);
        check("", AppError::Form);
        check("xoxb-1-2", AppError::Form);
        check("{}", AppError::Form);
        check(
            r#"{"signing_secret":"","team_id":"T024BE7LD","webhook_url":"https://hooks.slack.com/x"}"#,
            AppError::SigningSecret,
        );
        let url = r#""webhook_url":"https://hooks.slack.com/x""#;
        check(&with(&format!(r#""team_id":"acme",{url}"#)), AppError::Team);
        let team = r#""team_id":"T024BE7LD""#;
        check(&with(team), AppError::Delivery);
        check(
            &with(&format!(r#"{team},"bot_token":"xoxb-1""#)),
            AppError::Delivery,
        );
        check(
            &with(&format!(
                r#"{team},"bot_token":"xoxb-1","channel":"C024BE91L",{url}"#
            )),
            AppError::Delivery,
        );
        check(
            &with(&format!(
                r#"{team},"bot_token":"xoxp-1","channel":"C024BE91L""#
            )),
            AppError::Token,
        );
        check(
            &with(&format!(
                r##"{team},"bot_token":"xoxb-1","channel":"#ops""##
            )),
            AppError::Channel,
        );
        check(
            &with(&format!(
                r#"{team},"webhook_url":"hooks.slack.com/services""#
            )),
            AppError::Webhook,
        );
        check(
            &with(&format!(r#"{team},{url},"chanel":"C1""#)),
            AppError::Form,
        );
    }
}
