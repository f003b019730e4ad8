//! Values that Helm must refuse, with words that say what to do.

use super::ChartsError;
use super::helm::Helm;

/// Chart, arguments, and what the message must name.
const REFUSED: [(&str, &[&str], &str); 18] = [
    ("distributor", &[], "global.storage.url is missing: name the bucket"),
    ("quartet", &[], "global.storage.url is missing: name the bucket"),
    ("distributor", &["--set", "global.storage.url=memory://"], "/global/storage/url"),
    ("distributor", &["--set", "global.storage.url=az://blocks"], "global.storage.azure.account is missing"),
    ("distributor", &["--set", "replica=3"], "additional properties 'replica' not allowed"),
    ("distributor", &["--set", "replicas=many"], "/replicas"),
    ("distributor", &["--set", "service.type=External"], "/service/type"),
    ("distributor", &["--set", "config.distributor.push_timout=3s"], "'push_timout' not allowed"),
    ("distributor", &["--set", "config.server.http_port=80"], "'http_port' not allowed"),
    ("distributor", &["--set", "global.config.storage.s3.secret_access_key=abc"], "/global/config/storage/s3/secret_access_key"),
    ("distributor", &["--set", "podSecurityContext.runAsNonRoot=false"], "/podSecurityContext/runAsNonRoot"),
    ("ingester", &["--set", "global.cluster.replicationFactor=9"], "/global/cluster/replicationFactor"),
    ("ingester", &["--set", "global.storage.url=s3://b,replicas=2"], "2 ingesters cannot hold 3 copies"),
    (
        "ingester",
        &["--set", "global.storage.url=s3://b,global.cluster.zones[0].name=zone-a,global.cluster.zones[1].name=zone-b"],
        "2 zones cannot hold 3 copies",
    ),
    ("ingester", &["--set", "global.storage.url=s3://b,replicasOfZones.zone-x=2"], "\"zone-x\" is none of global.cluster.zones"),
    ("quartet", &["--set", "global.storage.url=s3://b,ingester.replica=2"], "additional properties 'replica' not allowed"),
    ("quartet", &["--set", "global.storage.url=s3://b,ingestor.replicas=2"], "additional properties 'ingestor' not allowed"),
    (
        "querier",
        &["--set", "global.storage.url=s3://b,autoscaling.enabled=true,autoscaling.minReplicas=20"],
        "autoscaling.minReplicas, 20, is more than autoscaling.maxReplicas, 10",
    ),
];

/// The values that are refused, each `name=text`.
pub(super) fn values() -> impl Iterator<Item = &'static str> {
    REFUSED.iter().flat_map(|(_, args, _)| args.iter()).filter(|arg| !arg.starts_with("--")).flat_map(|arg| arg.split(','))
}

/// What Helm takes, or refuses with other words.
pub(super) fn run(helm: &Helm) -> Result<Vec<String>, ChartsError> {
    let mut faults = Vec::new();
    for (chart, args, expected) in REFUSED {
        let given = format!("{chart} {}", args.join(" "));
        match helm.refusal(chart, args)? {
            None => faults.push(format!("{given}: accepted")),
            Some(text) if !text.contains(expected) => faults.push(format!("{given}: refused without {expected:?}: {text}")),
            Some(_) => {}
        }
    }
    Ok(faults)
}
