//! Where a request goes, by its method and path.
//!
//! **Invariant**: everything under `/api` needs an AWS principal that API Gateway has proved; the
//! paths that need none are listed here, and only these.

use tidegate_domain::gate::Gate;
use tidegate_domain::id::WaveId;
use tidegate_domain::plan::Approver;

use crate::payload::Request;
use crate::refused::{Refused, Status, quoted};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `GET /`.
    Home,
    /// `GET /decide?token=…`.
    ShowLink,
    /// `POST /decide`.
    UseLink,
    /// `GET /wave?view=…`.
    Look,
    /// `POST /slack/actions`.
    Slack,
    /// `GET /api/waves/{wave}/audit`.
    Audit(WaveId),
    /// `GET /api/refused`.
    Refused,
    /// Whatever else is under `/api`.
    Api(Approver, ApiRoute),
}

/// Where a request of a tool goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiRoute {
    /// `GET /api/waves`.
    List,
    /// `POST /api/waves`.
    Apply,
    /// `GET /api/waves/{wave}`.
    Show(WaveId),
    /// `GET /api/waves/{wave}/timeline`.
    Timeline(WaveId),
    /// `GET /api/waves/{wave}/page`.
    Page(WaveId),
    /// `POST /api/waves/{wave}/commands`.
    Command(WaveId),
    /// `POST /api/waves/{wave}/gates/{gate}/decisions`.
    Decide(WaveId, Gate),
}

/// The longest ARN of a caller.
const LONGEST_ARN: usize = 1_024;

impl Route {
    /// Find the route. Whether a path exists is told to callers with AWS credentials alone.
    pub(crate) fn of(request: &Request) -> Result<Self, Refused> {
        let method = request.request_context.http.method.as_str();
        let path = request
            .raw_path
            .strip_prefix('/')
            .unwrap_or(&request.raw_path);
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            [""] => only(method, &[("GET", Self::Home)]),
            ["decide"] => only(method, &[("GET", Self::ShowLink), ("POST", Self::UseLink)]),
            ["slack", "actions"] => only(method, &[("POST", Self::Slack)]),
            ["wave"] => only(method, &[("GET", Self::Look)]),
            ["api", "waves", wave, "audit"] => {
                caller(request)?;
                only(method, &[("GET", Self::Audit(wave_id(wave)?))])
            }
            ["api", "refused"] => {
                caller(request)?;
                only(method, &[("GET", Self::Refused)])
            }
            ["api", rest @ ..] => Ok(Self::Api(caller(request)?, ApiRoute::of(method, rest)?)),
            _ => Err(Refused::new(
                Status::NotFound,
                "There is no such page here.",
            )),
        }
    }
}

impl ApiRoute {
    fn of(method: &str, segments: &[&str]) -> Result<Self, Refused> {
        match segments {
            ["waves"] => only(method, &[("GET", Self::List), ("POST", Self::Apply)]),
            ["waves", wave] => only(method, &[("GET", Self::Show(wave_id(wave)?))]),
            ["waves", wave, "timeline"] => only(method, &[("GET", Self::Timeline(wave_id(wave)?))]),
            ["waves", wave, "page"] => only(method, &[("GET", Self::Page(wave_id(wave)?))]),
            ["waves", wave, "commands"] => only(method, &[("POST", Self::Command(wave_id(wave)?))]),
            ["waves", wave, "gates", gate, "decisions"] => {
                let gate = Gate::from_name(gate).ok_or_else(|| {
                    let gate = quoted(gate);
                    let message = format!("There is no gate {gate}: name cutover or finalize.");
                    Refused::new(Status::NotFound, message)
                })?;
                only(method, &[("POST", Self::Decide(wave_id(wave)?, gate))])
            }
            _ => Err(Refused::new(Status::NotFound, "The API has no such path.")),
        }
    }
}

/// The route of that method, among all that the path has.
fn only<R: Clone>(method: &str, routes: &[(&str, R)]) -> Result<R, Refused> {
    // A HEAD is answered like a GET; API Gateway leaves the body out.
    let method = if method == "HEAD" { "GET" } else { method };
    let found = routes.iter().find(|(name, _)| *name == method);
    found.map(|(_, route)| route.clone()).ok_or_else(|| {
        let names: Vec<_> = routes.iter().map(|(name, _)| *name).collect();
        let message = format!("This path takes {} only.", names.join(" and "));
        Refused::new(Status::WrongMethod, message)
    })
}

/// Who calls, as API Gateway proved it.
fn caller(request: &Request) -> Result<Approver, Refused> {
    let authorizer = request.request_context.authorizer.as_ref();
    let arn = authorizer
        .and_then(|authorizer| authorizer.iam.as_ref())
        .and_then(|iam| iam.user_arn.as_deref())
        .filter(|arn| {
            arn.starts_with("arn:")
                && arn.len() <= LONGEST_ARN
                && arn.chars().all(|c| c.is_ascii_graphic())
        });
    arn.map(|arn| Approver::Iam(arn.to_owned())).ok_or_else(|| {
        Refused::new(
            Status::Forbidden,
            "Sign the request with AWS credentials (SigV4).",
        )
    })
}

fn wave_id(segment: &str) -> Result<WaveId, Refused> {
    WaveId::parse(segment).map_err(|error| {
        let message = format!("There is no wave {}: {}.", quoted(segment), error.expected);
        Refused::new(Status::NotFound, message)
    })
}
