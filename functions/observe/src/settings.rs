//! Launch settings: MGN's launch configurations and EC2's launch templates, put together.
//!
//! **Invariant**: a setting that cannot be read is written down for its server alone, never as the
//! answer of MGN or EC2: a missing right here holds no wave. A version's content is read once.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use jiff::Timestamp;
use tidegate_domain::decide::Interest;
use tidegate_domain::id::{ServerId, TemplateId};
use tidegate_domain::launch_settings::{LaunchSettings, Values};
use tidegate_domain::observation::{Failing, ServerSeen, SettingsSeen};
use tidegate_domain::words::one_line;
use tidegate_ports::error::ReadError;
use tidegate_ports::settings::{Configuration, Configurations, LaunchTemplates};

use crate::read::AT_ONCE;

/// The most contents of versions in a round; what is left is read in the next.
const MOST_CONTENTS: usize = 200;
/// The longest message that is kept, in characters.
const LONGEST_MESSAGE: usize = 200;

/// What was read of one server.
pub(crate) type Read = Result<Known, Failed>;

/// The settings of a server.
pub(crate) struct Known {
    settings: LaunchSettings,
    /// Whether the launch configuration was read too, or stays as it was known.
    configuration: bool,
}

/// Why the settings of a server could not be read.
pub(crate) struct Failed {
    message: String,
    /// Whether it was the launch configuration.
    configuration: bool,
}

/// Read what is of interest. A server that is not in the answer stays as it was.
pub(crate) async fn read(
    mgn: &impl Configurations,
    ec2: &impl LaunchTemplates,
    interest: &Interest,
    known: &BTreeMap<ServerId, ServerSeen>,
) -> BTreeMap<ServerId, Read> {
    let known = |server: &ServerId| known.get(server)?.settings.known.as_ref();
    let mut read = BTreeMap::new();
    let mut configurations: BTreeMap<&ServerId, Configuration> = BTreeMap::new();
    let answers: Vec<_> = futures::stream::iter(&interest.configurations)
        .map(async |server| (server, mgn.configuration(server).await))
        .buffered(AT_ONCE)
        .collect()
        .await;
    for (server, answer) in answers {
        match answer {
            Ok(configuration) => drop(configurations.insert(server, configuration)),
            Err(error) => drop(read.insert(server.clone(), Err(failed(&error, true)))),
        }
    }
    let mut templates: BTreeMap<&ServerId, TemplateId> = BTreeMap::new();
    for server in interest.templates.iter().filter(|s| !read.contains_key(*s)) {
        templates.extend(known(server).map(|known| (server, known.template.clone())));
    }
    for (server, configuration) in &configurations {
        templates.insert(server, configuration.template.clone());
    }
    let ids: BTreeSet<TemplateId> = templates.values().cloned().collect();
    if ids.is_empty() {
        return read;
    }
    let numbers = match ec2
        .default_versions(&ids.into_iter().collect::<Vec<_>>())
        .await
    {
        Ok(numbers) => numbers,
        Err(error) => {
            let all = templates.into_keys();
            read.extend(all.map(|server| (server.clone(), Err(failed(&error, false)))));
            return read;
        }
    };
    let wanted = |server: &ServerId, template: &TemplateId| {
        let number = *numbers.get(template)?;
        let same = known(server).is_some_and(|k| k.template == *template && k.version == number);
        (!same).then(|| (template.clone(), number))
    };
    let wanted: BTreeSet<(TemplateId, u64)> = templates
        .iter()
        .filter_map(|(server, template)| wanted(server, template))
        .take(MOST_CONTENTS)
        .collect();
    let contents: BTreeMap<_, _> = futures::stream::iter(&wanted)
        .map(async |version| (version, ec2.version(&version.0, version.1).await))
        .buffered(AT_ONCE)
        .collect()
        .await;
    for (server, template) in templates {
        let configuration = configurations.remove(server);
        let known = known(server);
        let answer = match numbers.get(&template) {
            None => Err(Failed {
                message: format!("launch template {template} does not exist"),
                configuration: false,
            }),
            Some(number) => match contents.get(&(template.clone(), *number)) {
                Some(Err(error)) => Err(failed(error, false)),
                Some(Ok(content)) => Ok((*number, content.clone())),
                None => match known.filter(|k| k.template == template && k.version == *number) {
                    Some(known) => Ok((*number, known.content.clone())),
                    None => continue,
                },
            },
        };
        let settings = answer.map(|(number, content)| {
            let anew = configuration.is_some();
            let values = configuration.map(|configuration| configuration.values);
            let values = values.or_else(|| known.map(|known| known.configuration.clone()));
            together(template, number, values.unwrap_or_default(), content, anew)
        });
        read.insert(server.clone(), settings);
    }
    read
}

fn together(
    template: TemplateId,
    version: u64,
    configuration: Values,
    content: Values,
    anew: bool,
) -> Known {
    Known {
        settings: LaunchSettings::new(template, version, configuration, content),
        configuration: anew,
    }
}

fn failed(error: &ReadError, configuration: bool) -> Failed {
    tracing::warn!(%error, configuration, "launch settings could not be read");
    Failed {
        message: one_line(&error.to_string(), LONGEST_MESSAGE),
        configuration,
    }
}

/// Put what was read to what was known. What the test that passed was launched with is kept for as
/// long as it is something else.
pub(crate) fn merge(
    before: &SettingsSeen,
    read: Read,
    tested: Option<&str>,
    at: Timestamp,
) -> SettingsSeen {
    match read {
        Ok(Known {
            settings,
            configuration,
        }) => SettingsSeen {
            configuration_at: if configuration {
                Some(at)
            } else {
                before.configuration_at
            },
            template_at: Some(at),
            tested: tested
                .and_then(|digest| before.digested(digest))
                .filter(|tested| tested.digest() != settings.digest())
                .cloned(),
            known: Some(settings),
            failing: before
                .failing
                .clone()
                .filter(|failing| failing.configuration && !configuration),
        },
        Err(Failed {
            message,
            configuration,
        }) => SettingsSeen {
            failing: Some(Failing {
                since: before.failing.as_ref().map_or(at, |failing| failing.since),
                at,
                message,
                configuration,
            }),
            ..before.clone()
        },
    }
}
