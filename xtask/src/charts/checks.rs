//! What must hold for the objects of every release.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::objects::{Object, Pods, Release, list};
use super::settings::Settings;
use super::{ChartsError, io};
use crate::tools;

/// Which settings give the ports that containers name.
const PORTS: [(&str, &str); 5] = [
    ("http-metrics", "server.http_port"),
    ("grpc", "server.grpc_port"),
    ("gossip", "ring.bind"),
    ("otlp-grpc", "otlp.grpc_port"),
    ("otlp-http", "otlp.http_port"),
];

/// The faults of a release, each with its name.
pub(super) fn release(release: &Release, settings: &Settings) -> Vec<String> {
    let mut faults = twice(release.objects.iter().map(Object::id));
    for pods in release.pods() {
        let found = pod(&pods).into_iter().chain(references(release, &pods)).chain(given(&pods, settings));
        faults.extend(found.map(|fault| format!("{}: {fault}", pods.owner.id())));
    }
    for object in &release.objects {
        faults.extend(selection(release, object).into_iter().map(|fault| format!("{}: {fault}", object.id())));
    }
    faults.extend(configuration(release, settings));
    faults.into_iter().map(|fault| format!("{}: {fault}", release.name)).collect()
}

/// Charts that are installed beside each other own no object twice.
pub(super) fn side_by_side<'a>(releases: impl Iterator<Item = &'a Release>) -> Vec<String> {
    twice(releases.flat_map(|release| &release.objects).map(Object::id))
}

fn twice(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    ids.filter(|id| !seen.insert(id.clone())).map(|id| format!("{id}: there are two")).collect()
}

/// The "restricted" standard of pods, probes, requests and limits.
fn pod(pods: &Pods<'_>) -> Vec<String> {
    let mut faults = Faults::default();
    let security = &pods.spec["securityContext"];
    faults.unless(security["runAsNonRoot"] == true, "may run as root");
    faults.unless(security["seccompProfile"]["type"] == "RuntimeDefault", "has no seccomp profile");
    faults.unless(pods.spec["automountServiceAccountToken"] == false, "mounts a token that it does not need");
    // `QUARTET_INGESTER_PORT=tcp://…` looks like a setting.
    faults.unless(pods.spec["enableServiceLinks"] == false, "gets variables of Services, which look like settings");
    for container in pods.containers() {
        let security = &container["securityContext"];
        faults.unless(security["readOnlyRootFilesystem"] == true, "has a root file system that can be written");
        faults.unless(security["allowPrivilegeEscalation"] == false, "may gain privileges");
        faults.unless(list(&security["capabilities"]["drop"]).any(|dropped| dropped == "ALL"), "keeps capabilities");
        faults.unless(security["capabilities"].get("add").is_none(), "adds capabilities");
        let resources = &container["resources"];
        for (kind, what) in [("requests", "cpu"), ("requests", "memory"), ("limits", "memory")] {
            faults.unless(resources[kind][what].is_string(), &format!("has no {what} among its {kind}"));
        }
        faults.unless(!list(&container["ports"]).any(|port| port.get("hostPort").is_some()), "takes a port of its node");
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"].iter().filter(|_| pods.serves) {
            let port = container[*probe]["httpGet"]["port"].as_str().unwrap_or_default();
            faults.unless(pods.ports().contains(&port), &format!("has no {probe} on a port of its own"));
        }
    }
    faults.0
}

/// What pods name is there.
fn references(release: &Release, pods: &Pods<'_>) -> Vec<String> {
    let mut faults = Faults::default();
    let volumes = pods.volumes();
    for mount in pods.containers().flat_map(|container| list(&container["volumeMounts"])) {
        let name = mount["name"].as_str().unwrap_or_default();
        faults.unless(volumes.contains(&name), &format!("mounts {name}, which is no volume"));
    }
    for volume in list(&pods.spec["volumes"]) {
        if let Some(name) = volume["configMap"]["name"].as_str() {
            faults.unless(release.has("ConfigMap", name), &format!("mounts the ConfigMap {name}, which is not there"));
        }
    }
    if let Some(name) = pods.spec["serviceAccountName"].as_str() {
        faults.unless(release.has("ServiceAccount", name), &format!("runs as {name}, which is not there"));
    }
    faults.0
}

/// Variables, flags and ports are those of the programs.
fn given(pods: &Pods<'_>, settings: &Settings) -> Vec<String> {
    let mut faults = Faults::default();
    for container in pods.containers() {
        for variable in list(&container["env"]) {
            let name = variable["name"].as_str().unwrap_or_default();
            if let Some(setting) = name.strip_prefix("QUARTET_") {
                let setting = setting.to_lowercase().replace("__", ".");
                faults.unless(settings.is_whole(&setting), &format!("{name} is no setting"));
                let secret = ["_key", "_key_id"].iter().any(|end| setting.ends_with(end));
                faults.unless(!secret || variable.get("value").is_none(), &format!("{name} stands in the manifest"));
            }
        }
        for arg in list(&container["args"]).filter_map(Value::as_str) {
            let name = arg.trim_start_matches("--").split('=').next().unwrap_or_default();
            faults.unless(name == "config" || settings.has(name), &format!("{arg}: no such setting"));
        }
        for port in list(&container["ports"]) {
            let setting = PORTS.iter().find(|(name, _)| port["name"] == *name).and_then(|(_, setting)| settings.0.get(*setting));
            let expected = setting.and_then(|setting| setting.default.trim_matches('"').rsplit(':').next()?.parse::<u16>().ok());
            faults.unless(expected.is_none_or(|expected| port["containerPort"] == expected), &format!("{port} is not where it listens"));
        }
    }
    faults.0
}

/// What selects pods selects some, and Services send to ports that pods have.
fn selection(release: &Release, object: &Object) -> Vec<String> {
    let mut faults = Faults::default();
    let (spec, pods) = (&object.0["spec"], release.pods());
    match object.kind() {
        "Service" => {
            let chosen: Vec<&Pods<'_>> = pods.iter().filter(|pods| pods.match_labels(&spec["selector"])).collect();
            faults.unless(!chosen.is_empty(), "selects no pods");
            for port in list(&spec["ports"]) {
                let target = port["targetPort"].as_str().unwrap_or_default();
                faults.unless(chosen.iter().all(|pods| pods.ports().contains(&target)), &format!("{target} is no port of its pods"));
            }
        }
        "Deployment" | "StatefulSet" => {
            let own = pods.iter().filter(|pods| pods.match_labels(&spec["selector"]["matchLabels"]));
            let own: Vec<String> = own.map(|pods| pods.owner.id()).collect();
            faults.unless(own == [object.id()], &format!("selects the pods of {own:?}"));
            if let Some(service) = spec["serviceName"].as_str() {
                faults.unless(release.has("Service", service), &format!("{service} is no Service"));
            }
        }
        "PodDisruptionBudget" => {
            faults.unless(pods.iter().any(|pods| pods.match_labels(&spec["selector"]["matchLabels"])), "selects no pods");
        }
        "NetworkPolicy" => {
            faults.unless(pods.iter().any(|pods| pods.match_labels(&spec["podSelector"]["matchLabels"])), "selects no pods");
        }
        "ServiceMonitor" => {
            let labels = &spec["selector"]["matchLabels"];
            let chosen = release.of_kind("Service").filter(|service| {
                let own = service.0["metadata"]["labels"].as_object();
                labels.as_object().into_iter().flatten().all(|(key, value)| own.is_some_and(|own| own.get(key) == Some(value)))
            });
            faults.unless(chosen.count() == 1, "does not select one Service");
        }
        "HorizontalPodAutoscaler" => {
            let target = &spec["scaleTargetRef"];
            let (kind, name) = (target["kind"].as_str().unwrap_or_default(), target["name"].as_str().unwrap_or_default());
            let scaled = release.of_kind(kind).find(|workload| workload.name() == name);
            faults.unless(
                scaled.is_some_and(|workload| workload.0["spec"].get("replicas").is_none()),
                "scales nothing, or what has a number",
            );
        }
        _ => {}
    }
    faults.0
}

/// Every key of every configuration is a setting, and no secret stands in it.
fn configuration(release: &Release, settings: &Settings) -> Vec<String> {
    let mut faults = Faults::default();
    for (name, text) in configurations(release) {
        match serde_yaml_ng::from_str::<Value>(text) {
            Err(err) => faults.0.push(format!("{name}: {err}")),
            Ok(tree) => {
                for key in keys("", &tree, settings) {
                    faults.unless(settings.has(&key), &format!("{name}: {key} is no setting"));
                    faults.unless(!key.ends_with("access_key"), &format!("{name}: {key} is a secret"));
                }
            }
        }
    }
    faults.0
}

/// The configuration files of a release, by the name of their ConfigMap.
fn configurations(release: &Release) -> BTreeMap<&str, &str> {
    let maps = release.of_kind("ConfigMap");
    maps.filter_map(|object| Some((object.name(), object.0["data"]["quartet.yaml"].as_str()?))).collect()
}

/// Names of the settings in a tree.
fn keys(at: &str, tree: &Value, settings: &Settings) -> Vec<String> {
    match tree {
        Value::Object(map) if !settings.is_whole(at) || at == "overrides" => {
            let name = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
            map.iter().flat_map(|(key, value)| keys(&name(key), value, settings)).collect()
        }
        _ => vec![at.to_owned()],
    }
}

/// The programs themselves take their configuration, with the variables and flags of their pods.
pub(super) fn with_programs(releases: &[Release], programs: &Path) -> Result<Vec<String>, ChartsError> {
    let mut faults = Vec::new();
    for release in releases {
        let configurations = configurations(release);
        for pods in release.pods().iter().filter(|pods| pods.serves) {
            for container in pods.containers() {
                let mounted = list(&pods.spec["volumes"]).filter_map(|volume| volume["configMap"]["name"].as_str());
                let Some(text) = mounted.filter_map(|name| configurations.get(name)).next() else { continue };
                if let Some(fault) = refused(container, text, programs)? {
                    faults.push(format!("{}: {}: {fault}", release.name, pods.owner.id()));
                }
            }
        }
    }
    Ok(faults)
}

/// What the program of a container says against its configuration.
fn refused(container: &Value, configuration: &str, programs: &Path) -> Result<Option<String>, ChartsError> {
    let path = tools::target().join("charts/quartet.yaml");
    fs::write(&path, configuration).map_err(io("write the configuration of a pod"))?;
    let program = list(&container["command"]).filter_map(Value::as_str).next().unwrap_or_default();
    let mut command = Command::new(programs.join(program));
    command.env_clear().arg(format!("--config={}", path.display())).arg("--check-config");
    command.args(list(&container["args"]).filter_map(Value::as_str).filter(|arg| !arg.starts_with("--config=")));
    for variable in list(&container["env"]) {
        // What comes from the cluster is any text to the check.
        command.env(variable["name"].as_str().unwrap_or_default(), variable["value"].as_str().unwrap_or("10.0.0.1"));
    }
    let output = command.output().map_err(io(format!("run {program}")))?;
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Faults as they are found.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, right: bool, fault: &str) {
        if !right {
            self.0.push(fault.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
