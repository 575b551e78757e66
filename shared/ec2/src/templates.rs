//! Launch templates: the number of the default version, and what a version says.
//!
//! **Invariant**: the image and the snapshots of disks are left out, because MGN puts them there
//! for each launch; user data is told by a digest alone.

use std::collections::BTreeMap;

use aws_sdk_ec2::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{
    LaunchTemplateBlockDeviceMapping, LaunchTemplateInstanceNetworkInterfaceSpecification,
    LaunchTemplatePlacement, ResponseLaunchTemplateData,
};
use tidegate_domain::id::TemplateId;
use tidegate_domain::launch_settings::{INSTANCE_TYPE, Values};
use tidegate_ports::error::ReadError;
use tidegate_ports::settings::LaunchTemplates;

use crate::SdkEc2;

/// The most templates in a call (API reference, DescribeLaunchTemplates).
const MOST_IDS: usize = 200;
/// Tags that MGN itself puts on what it launches.
const OF_MGN: [&str; 2] = ["AWSApplicationMigrationService", "mgn.amazonaws.com"];

impl LaunchTemplates for SdkEc2 {
    async fn default_versions(
        &self,
        templates: &[TemplateId],
    ) -> Result<BTreeMap<TemplateId, u64>, ReadError> {
        let mut versions = BTreeMap::new();
        let mut batches: Vec<&[TemplateId]> = templates.chunks(MOST_IDS).collect();
        while let Some(batch) = batches.pop() {
            match self.some_versions(batch).await {
                Ok(some) => versions.extend(some),
                // EC2 does not say which of them does not exist.
                Err(ReadError::NotFound(_)) if batch.len() > 1 => {
                    let (one, other) = batch.split_at(batch.len() / 2);
                    batches.extend([one, other]);
                }
                Err(ReadError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(versions)
    }

    async fn version(&self, template: &TemplateId, version: u64) -> Result<Values, ReadError> {
        let answer = self
            .client
            .describe_launch_template_versions()
            .launch_template_id(template.as_str())
            .versions(version.to_string())
            .send()
            .await
            .map_err(|error| read_error(&error))?;
        let found = answer.launch_template_versions().first();
        found
            .and_then(|version| version.launch_template_data())
            .map(values)
            .ok_or_else(|| ReadError::NotFound(format!("version {version} of {template}")))
    }
}

impl SdkEc2 {
    async fn some_versions(
        &self,
        templates: &[TemplateId],
    ) -> Result<Vec<(TemplateId, u64)>, ReadError> {
        let mut pages = self
            .client
            .describe_launch_templates()
            .set_launch_template_ids(Some(templates.iter().map(ToString::to_string).collect()))
            .into_paginator()
            .items()
            .send();
        let mut versions = Vec::new();
        while let Some(template) = pages.next().await {
            let template = template.map_err(|error| read_error(&error))?;
            let id = TemplateId::parse(template.launch_template_id().unwrap_or_default());
            let number = template
                .default_version_number()
                .and_then(|number| u64::try_from(number).ok());
            versions.extend(id.ok().zip(number));
        }
        Ok(versions)
    }
}

fn read_error<E>(error: &SdkError<E>) -> ReadError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let said = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => DisplayErrorContext(error).to_string(),
    };
    match error.code() {
        Some(code) if code.starts_with("InvalidLaunchTemplateId") => ReadError::NotFound(said),
        Some("UnauthorizedOperation" | "AuthFailure" | "AccessDenied") => ReadError::Denied(said),
        Some(_) | None => ReadError::Failed(said),
    }
}

/// What a version says, in the words of EC2's console.
fn values(data: &ResponseLaunchTemplateData) -> Values {
    let mut values = Values::default();
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    if let Some(kind) = data.instance_type() {
        values.set(INSTANCE_TYPE, kind.as_str());
    }
    if let Some(profile) = data.iam_instance_profile() {
        let name = profile.arn().and_then(|arn| arn.rsplit('/').next());
        values.set("instance profile", text(profile.name().or(name)));
    }
    let groups = data
        .security_group_ids()
        .iter()
        .chain(data.security_groups());
    values.set("security groups", sorted(groups));
    network(&mut values, data.network_interfaces());
    volumes(&mut values, data.block_device_mappings());
    values.set("key pair", text(data.key_name()));
    values.set_secret("user data", &text(data.user_data()));
    for tags in data.tag_specifications() {
        let on = tags.resource_type().map_or("resource", |on| on.as_str());
        for tag in tags.tags() {
            let key = tag.key().unwrap_or_default();
            if !OF_MGN.iter().any(|prefix| key.starts_with(prefix)) {
                values.set(&format!("{on} tag {key}"), text(tag.value()));
            }
        }
    }
    if let Some(placement) = data.placement() {
        values.set("placement", placed(placement));
    }
    let switches = [
        (
            "detailed monitoring",
            data.monitoring().and_then(|m| m.enabled()),
        ),
        ("EBS optimized", data.ebs_optimized()),
        ("termination protection", data.disable_api_termination()),
        ("stop protection", data.disable_api_stop()),
        (
            "hibernation",
            data.hibernation_options().and_then(|h| h.configured()),
        ),
        ("enclave", data.enclave_options().and_then(|e| e.enabled())),
    ];
    for (what, _) in switches.into_iter().filter(|(_, on)| *on == Some(true)) {
        values.set(what, "yes");
    }
    if let Some(behavior) = data.instance_initiated_shutdown_behavior() {
        values.set("shutdown behavior", behavior.as_str());
    }
    if let Some(credit) = data.credit_specification() {
        values.set("CPU credits", text(credit.cpu_credits()));
    }
    if let Some(cpu) = data.cpu_options() {
        let count = |count: Option<i32>| count.map_or("default".to_owned(), |c| c.to_string());
        let (cores, threads) = (count(cpu.core_count()), count(cpu.threads_per_core()));
        values.set(
            "CPU options",
            format!("{cores} cores, {threads} threads per core"),
        );
    }
    if let Some(market) = data.instance_market_options().and_then(|m| m.market_type()) {
        values.set("purchasing option", market.as_str());
    }
    if let Some(metadata) = data.metadata_options() {
        let tokens = metadata.http_tokens().map_or("default", |t| t.as_str());
        let endpoint = metadata.http_endpoint().map_or("default", |e| e.as_str());
        let hops = metadata.http_put_response_hop_limit();
        let hops = hops.map_or("default".to_owned(), |hops| hops.to_string());
        values.set(
            "metadata options",
            format!("endpoint {endpoint}, tokens {tokens}, hop limit {hops}"),
        );
    }
    let licenses = data.license_specifications().iter();
    let licenses = licenses.filter_map(|license| license.license_configuration_arn.as_ref());
    values.set("license configurations", sorted(licenses));
    values
}

/// The first interface by its parts, the others in a line each.
fn network(values: &mut Values, all: &[LaunchTemplateInstanceNetworkInterfaceSpecification]) {
    for (number, one) in all.iter().enumerate() {
        let public = match one.associate_public_ip_address() {
            Some(true) => "yes",
            Some(false) => "no",
            None => "",
        };
        let parts = [
            ("subnet", one.subnet_id().unwrap_or_default().to_owned()),
            ("security groups", sorted(one.groups())),
            (
                "private address",
                one.private_ip_address().unwrap_or_default().to_owned(),
            ),
            ("public address", public.to_owned()),
            (
                "network interface",
                one.network_interface_id().unwrap_or_default().to_owned(),
            ),
        ];
        if number == 0 {
            for (what, value) in parts {
                values.set(what, value);
            }
            continue;
        }
        let set = parts.iter().filter(|(_, value)| !value.is_empty());
        let line: Vec<String> = set.map(|(what, value)| format!("{what} {value}")).collect();
        values.set(
            &format!("network interface {}", number + 1),
            line.join(", "),
        );
    }
}

fn volumes(values: &mut Values, all: &[LaunchTemplateBlockDeviceMapping]) {
    for mapping in all {
        let Some(ebs) = mapping.ebs() else { continue };
        let mut words = Vec::new();
        words.extend(ebs.volume_type().map(|kind| kind.as_str().to_owned()));
        words.extend(ebs.volume_size().map(|size| format!("{size} GiB")));
        words.extend(ebs.iops().map(|iops| format!("{iops} IOPS")));
        words.extend(ebs.throughput().map(|rate| format!("{rate} MiB/s")));
        if ebs.encrypted() == Some(true) {
            words.push("encrypted".to_owned());
        }
        words.extend(ebs.kms_key_id().map(|key| format!("with {key}")));
        let device = mapping.device_name().unwrap_or_default();
        values.set(&format!("volume {device}"), words.join(" "));
    }
}

fn placed(placement: &LaunchTemplatePlacement) -> String {
    let parts = [
        placement.availability_zone(),
        placement.tenancy().map(|tenancy| tenancy.as_str()),
        placement.group_name(),
        placement.group_id(),
        placement.host_id(),
        placement.host_resource_group_arn(),
        placement.affinity(),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn sorted<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let mut names: Vec<&str> = names.into_iter().map(String::as_str).collect();
    names.sort_unstable();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{
        LaunchTemplateEbsBlockDevice, LaunchTemplateTagSpecification, ResourceType, Tag,
    };

    use super::*;

    fn interface(
        subnet: &str,
        groups: &[&str],
    ) -> LaunchTemplateInstanceNetworkInterfaceSpecification {
        let groups = groups.iter().map(ToString::to_string).collect();
        LaunchTemplateInstanceNetworkInterfaceSpecification::builder()
            .subnet_id(subnet)
            .set_groups(Some(groups))
            .associate_public_ip_address(false)
            .build()
    }

    fn disk(device: &str, snapshot: &str) -> LaunchTemplateBlockDeviceMapping {
        let ebs = LaunchTemplateEbsBlockDevice::builder()
            .volume_type("gp3".into())
            .volume_size(16)
            .encrypted(true)
            .snapshot_id(snapshot);
        LaunchTemplateBlockDeviceMapping::builder()
            .device_name(device)
            .ebs(ebs.build())
            .build()
    }

    #[test]
    fn interfaces_disks_and_tags_are_told_in_words() {
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
        let data = ResponseLaunchTemplateData::builder()
            .network_interfaces(interface("subnet-1", &["sg-2", "sg-1"]))
            .network_interfaces(interface("subnet-2", &["sg-3"]))
            .block_device_mappings(disk("/dev/xvdb", "snap-2"))
            .block_device_mappings(disk("/dev/xvda", "snap-1"))
            .tag_specifications(
                LaunchTemplateTagSpecification::builder()
                    .resource_type(ResourceType::Instance)
                    .tags(tag("team", "orders"))
                    .tags(tag(
                        "AWSApplicationMigrationServiceManaged",
                        "mgn.amazonaws.com",
                    ))
                    .tags(tag("mgn.amazonaws.com-job", "mgnjob-1"))
                    .build(),
            )
            .build();
        let values = values(&data);
        for (what, value) in [
            ("subnet", "subnet-1"),
            ("security groups", "sg-1, sg-2"),
            ("public address", "no"),
            (
                "network interface 2",
                "subnet subnet-2, security groups sg-3, public address no",
            ),
            ("volume /dev/xvda", "gp3 16 GiB encrypted"),
            ("volume /dev/xvdb", "gp3 16 GiB encrypted"),
            ("instance tag team", "orders"),
        ] {
            assert_eq!(values.get(what), Some(value), "{what}");
        }
    }

    #[test]
    fn what_mgn_puts_there_for_each_launch_is_no_setting() {
        let of = |image: &str, snapshot: &str| {
            let data = ResponseLaunchTemplateData::builder()
                .image_id(image)
                .block_device_mappings(disk("/dev/xvda", snapshot));
            values(&data.build())
        };
        assert_eq!(of("ami-1", "snap-1"), of("ami-2", "snap-2"));
    }
}
