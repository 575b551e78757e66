//! Launch configurations, as far as they can be known to fail.

use aws_sdk_mgn::types::LaunchDisposition;
use tidegate_domain::id::ServerId;
use tidegate_ports::error::ReadError;
use tidegate_ports::mgn::LaunchConfigurations;

use super::SdkMgn;
use crate::failures::read_error;

impl LaunchConfigurations for SdkMgn {
    async fn problems(&self, server: &ServerId) -> Result<Vec<String>, ReadError> {
        let answer = self
            .client
            .get_launch_configuration()
            .source_server_id(server.as_str())
            .send()
            .await
            .map_err(read_error);
        let configuration = match answer {
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
