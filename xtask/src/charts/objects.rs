//! What Helm rendered, as objects of Kubernetes.

use serde::Deserialize;
use serde_json::Value;

use super::{ChartsError, Map};

/// The objects of one installation.
#[derive(Debug)]
pub(super) struct Release {
    /// Chart and variant.
    pub name: String,
    pub objects: Vec<Object>,
}

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object(pub Value);

impl Release {
    pub(super) fn parse(name: String, text: &str) -> Result<Self, ChartsError> {
        let mut objects = Vec::new();
        for document in serde_yaml_ng::Deserializer::from_str(text) {
            let value = Value::deserialize(document).map_err(|source| ChartsError::Rendered { release: name.clone(), source })?;
            if !value.is_null() {
                objects.push(Object(value));
            }
        }
        Ok(Self { name, objects })
    }

    /// Whether this is a chart with its defaults, as somebody installs one after the other.
    pub(super) fn alone(&self) -> bool {
        self.name.ends_with("(alone)")
    }

    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Object> {
        self.objects.iter().filter(move |object| object.kind() == kind)
    }

    /// Whether there is an object of this kind and name.
    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.of_kind(kind).any(|object| object.name() == name)
    }

    /// Everything that makes pods, with the pods' labels.
    pub(super) fn pods(&self) -> Vec<Pods<'_>> {
        self.objects.iter().filter_map(Pods::of).collect()
    }
}

impl Object {
    pub(super) fn kind(&self) -> &str {
        self.0["kind"].as_str().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.0["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Kind and name: of each there is one in a namespace.
    pub(super) fn id(&self) -> String {
        format!("{} {}", self.kind(), self.name())
    }
}

/// Pods that are alike: those of a workload, or one by itself.
#[derive(Debug)]
pub(super) struct Pods<'a> {
    pub owner: &'a Object,
    pub labels: Map,
    pub spec: &'a Value,
    /// Whether it is to serve, and not to end.
    pub serves: bool,
}

impl<'a> Pods<'a> {
    fn of(owner: &'a Object) -> Option<Self> {
        let (template, serves) = match owner.kind() {
            "Deployment" | "StatefulSet" => (&owner.0["spec"]["template"], true),
            "Pod" => (&owner.0, false),
            _ => return None,
        };
        Some(Self { owner, labels: map(&template["metadata"]["labels"]), spec: &template["spec"], serves })
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> {
        list(&self.spec["containers"])
    }

    /// Whether a selector's labels are all among those of the pods.
    pub(super) fn match_labels(&self, labels: &Value) -> bool {
        let labels = map(labels);
        !labels.is_empty() && labels.iter().all(|(key, value)| self.labels.get(key) == Some(value))
    }

    /// Names of volumes, claims included.
    pub(super) fn volumes(&self) -> Vec<&'a str> {
        let claims = list(&self.owner.0["spec"]["volumeClaimTemplates"]).map(|claim| &claim["metadata"]["name"]);
        list(&self.spec["volumes"]).map(|volume| &volume["name"]).chain(claims).filter_map(Value::as_str).collect()
    }

    /// Names of ports.
    pub(super) fn ports(&self) -> Vec<&'a str> {
        let ports = self.containers().flat_map(|container| list(&container["ports"]));
        ports.filter_map(|port| port["name"].as_str()).collect()
    }
}

/// The elements of a list; none of anything else.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The entries of a map; none of anything else.
pub(super) fn map(value: &Value) -> Map {
    value.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}
