//! Launched instances, and the launch templates of servers, in the EC2 of the local AWS.
//!
//! **Invariant:** every launch is told its instance's ID or why there is none; nothing waits
//! for ever.

use std::sync::Arc;

use aws_sdk_ec2::types::{
    InstanceType, RequestLaunchTemplateData, ResourceType, Tag, TagSpecification,
};
use tokio::sync::mpsc;

use super::Shared;
use super::local_aws::{LocalAws, short};
use crate::core::Output;

/// The image that launched instances say they come from; MGN makes one of its own.
const IMAGE: &str = "ami-0123456789abcdef0";

/// Runs and terminates instances, in order.
pub(super) async fn run(
    shared: Arc<Shared>,
    local: LocalAws,
    mut queue: mpsc::UnboundedReceiver<Output>,
) {
    while let Some(output) = queue.recv().await {
        match output {
            Output::RunInstance {
                server,
                job,
                tags,
                stopped,
                ..
            } => {
                let shared = Arc::clone(&shared);
                let local = local.clone();
                // One launch does not wait for another's.
                tokio::spawn(async move {
                    let launched = launch(&local, &server, &job, &tags, stopped).await;
                    match launched {
                        Ok(instance) => shared.region().mgn.instance_started(&server, &instance),
                        Err(why) => {
                            tracing::error!(server, job, why, "EC2 did not run the instance");
                            shared.region().mgn.instance_failed(&server, &why);
                        }
                    }
                    shared.changed();
                });
            }
            Output::TerminateInstance { instance } => {
                let request = local.ec2.terminate_instances().instance_ids(&instance);
                if let Err(error) = request.send().await {
                    let error = short(&error);
                    tracing::error!(instance, error, "EC2 did not terminate the instance");
                }
            }
            Output::Event(_) => {}
        }
    }
}

async fn launch(
    local: &LocalAws,
    server: &str,
    job: &str,
    tags: &std::collections::BTreeMap<String, String>,
    stopped: bool,
) -> Result<String, String> {
    let mut specification = TagSpecification::builder().resource_type(ResourceType::Instance);
    for (key, value) in tags {
        specification = specification.tags(Tag::builder().key(key).value(value).build());
    }
    let reply = local
        .ec2
        .run_instances()
        .image_id(IMAGE)
        .instance_type(InstanceType::T3Medium)
        .min_count(1)
        .max_count(1)
        .client_token(format!("{job}-{server}"))
        .tag_specifications(specification.build())
        .send()
        .await
        .map_err(|error| short(&error))?;
    let instance = reply
        .instances()
        .first()
        .and_then(|instance| instance.instance_id())
        .ok_or("EC2 named no instance")?
        .to_owned();
    if stopped {
        let request = local.ec2.stop_instances().instance_ids(&instance);
        if let Err(error) = request.send().await {
            let error = short(&error);
            tracing::error!(instance, error, "EC2 did not stop the instance");
        }
    }
    Ok(instance)
}

/// Makes each server's EC2 launch template, as MGN does when an agent is installed.
pub(super) async fn make_templates(shared: Arc<Shared>, local: LocalAws) {
    let mut made = std::collections::BTreeSet::new();
    loop {
        let missing: Vec<(String, String)> = shared
            .region()
            .mgn
            .servers()
            .values()
            .filter(|server| !made.contains(&server.id))
            .map(|server| (server.id.clone(), server.hostname.clone()))
            .collect();
        for (server, hostname) in missing {
            match make_template(&local, &server, &hostname).await {
                Ok(template) => shared.region().mgn.launch_template_made(&server, &template),
                Err(why) => tracing::warn!(server, why, "EC2 made no launch template"),
            }
            made.insert(server);
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
}

async fn make_template(local: &LocalAws, server: &str, hostname: &str) -> Result<String, String> {
    let mut tags = TagSpecification::builder().resource_type(ResourceType::LaunchTemplate);
    for (key, value) in [
        ("AWSApplicationMigrationServiceManaged", "mgn.amazonaws.com"),
        ("AWSApplicationMigrationServiceSourceServerID", server),
        ("Name", hostname),
    ] {
        tags = tags.tags(Tag::builder().key(key).value(value).build());
    }
    let data = RequestLaunchTemplateData::builder()
        .instance_type(InstanceType::T3Medium)
        .build();
    let name = format!("created-and-used-by-application-migration-service-{server}");
    let made = local
        .ec2
        .create_launch_template()
        .launch_template_name(&name)
        .launch_template_data(data)
        .tag_specifications(tags.build())
        .send()
        .await;
    match made {
        Ok(reply) => reply
            .launch_template()
            .and_then(|template| template.launch_template_id())
            .map(str::to_owned)
            .ok_or_else(|| "EC2 named no launch template".to_owned()),
        // A simulator before this one made it, in the same EC2.
        Err(error) => found_template(local, &name)
            .await
            .ok_or_else(|| short(&error)),
    }
}

async fn found_template(local: &LocalAws, name: &str) -> Option<String> {
    let request = local
        .ec2
        .describe_launch_templates()
        .launch_template_names(name);
    let reply = request.send().await.ok()?;
    let template = reply.launch_templates().first()?;
    template.launch_template_id().map(str::to_owned)
}
