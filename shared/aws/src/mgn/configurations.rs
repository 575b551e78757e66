//! Launch configurations: what they say, and what of them can be known to fail.

use aws_sdk_mgn::operation::get_launch_configuration::GetLaunchConfigurationOutput;
use aws_sdk_mgn::types::{
    LaunchDisposition, PostLaunchActions, TargetInstanceTypeRightSizingMethod,
};
use tidegate_domain::id::{ServerId, TemplateId};
use tidegate_domain::launch_settings::{RIGHT_SIZING, Values};
use tidegate_ports::error::ReadError;
use tidegate_ports::mgn::LaunchConfigurations;
use tidegate_ports::settings::{Configuration, Configurations};

use super::SdkMgn;
use crate::failures::read_error;

impl LaunchConfigurations for SdkMgn {
    async fn problems(&self, server: &ServerId) -> Result<Vec<String>, ReadError> {
        let configuration = match self.get(server).await {
            Ok(configuration) => configuration,
            Err(ReadError::NotFound(_)) => {
                return Ok(vec![format!("{server} has no launch configuration in MGN")]);
            }
            Err(error) => return Err(error),
        };
        let mut problems = Vec::new();
        if configuration
            .ec2_launch_template_id()
            .unwrap_or_default()
            .is_empty()
        {
            problems.push(format!(
                "the launch configuration of {server} has no EC2 launch template"
            ));
        }
        if configuration.launch_disposition() == Some(&LaunchDisposition::Stopped) {
            problems.push(format!(
                "the launch configuration of {server} leaves its instance stopped, so that it \
                 could never be validated: set launchDisposition to STARTED"
            ));
        }
        Ok(problems)
    }
}

impl Configurations for SdkMgn {
    async fn configuration(&self, server: &ServerId) -> Result<Configuration, ReadError> {
        let configuration = self.get(server).await?;
        let template = configuration.ec2_launch_template_id().unwrap_or_default();
        Ok(Configuration {
            template: TemplateId::parse(template).map_err(|_| {
                ReadError::NotFound(format!("MGN names no launch template of {server}"))
            })?,
            values: values(&configuration),
        })
    }
}

impl SdkMgn {
    async fn get(&self, server: &ServerId) -> Result<GetLaunchConfigurationOutput, ReadError> {
        let call = self.client.get_launch_configuration();
        let call = call.source_server_id(server.as_str());
        call.send().await.map_err(read_error)
    }
}

/// What a configuration says, in the words of MGN's console. That nothing is done is not said.
fn values(configuration: &GetLaunchConfigurationOutput) -> Values {
    let mut values = Values::default();
    if let Some(disposition) = configuration.launch_disposition() {
        values.set("launch disposition", disposition.as_str());
    }
    match configuration.target_instance_type_right_sizing_method() {
        Some(TargetInstanceTypeRightSizingMethod::None) | None => {}
        Some(method) => values.set(RIGHT_SIZING, method.as_str()),
    }
    if let Some(mode) = configuration.boot_mode() {
        values.set("boot mode", mode.as_str());
    }
    let licensing = configuration.licensing();
    let switches = [
        ("copied private address", configuration.copy_private_ip()),
        ("copied tags", configuration.copy_tags()),
        (
            "own license",
            licensing.and_then(|licensing| licensing.os_byol()),
        ),
        ("MAP tags", configuration.enable_map_auto_tagging()),
    ];
    for (what, _) in switches.into_iter().filter(|(_, on)| *on == Some(true)) {
        values.set(what, "yes");
    }
    if let Some(actions) = configuration.post_launch_actions() {
        values.set("post-launch actions", listed(actions));
    }
    values
}

/// When they run, and which documents; empty if MGN gave an empty object.
fn listed(actions: &PostLaunchActions) -> String {
    let deployment = actions.deployment().map(|when| when.as_str());
    let documents = actions.ssm_documents().iter();
    let documents = documents.map(|document| document.ssm_document_name());
    deployment
        .into_iter()
        .chain(documents)
        .collect::<Vec<_>>()
        .join(", ")
}
