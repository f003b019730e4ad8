//! Labels of a series: attributes of the point, what is promoted of resource and scope, `job` and `instance`.

use std::borrow::Cow;

use proto::opentelemetry::proto::common::v1::{InstrumentationScope, KeyValue};
use proto::opentelemetry::proto::resource::v1::Resource;

use super::names::{self, NameError};
use super::settings::Translation;
use super::values;
use crate::ingest::protobuf::{put_bytes, put_varint, varint_len};
use crate::model::METRIC_NAME;

/// Attributes of a resource that say which one it is.
pub(crate) const IDENTIFYING: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];

/// Pairs of name and value in any order, each name once.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelSet<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

/// What all points of a resource, or of a scope in it, have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common<'a> {
    /// Labels that an attribute of a point may take the place of.
    promoted: LabelSet<'a>,
    /// Labels that take the place of a point's attributes.
    fixed: LabelSet<'a>,
}

impl<'a> LabelSet<'a> {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// Sets a label, whatever it was before.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Sets all labels of another set.
    pub(crate) fn extend(&mut self, other: Self) {
        for (name, value) in other.0 {
            self.set(name, value);
        }
    }

    /// Adds attributes under cleaned names. Values of keys that become one name are joined in the order of the keys.
    pub(crate) fn attributes(&mut self, attributes: &'a [KeyValue], skip: &[&str], how: &Translation) -> Result<(), NameError> {
        let mut sorted: Vec<&KeyValue> = attributes.iter().filter(|one| !skip.contains(&one.key.as_str())).collect();
        sorted.sort_by(|one, other| one.key.cmp(&other.key));
        for attribute in sorted {
            let name = names::label(&attribute.key, how)?;
            let value = values::text(attribute.value.as_ref());
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = Cow::Owned(format!("{known};{value}")),
                None => self.0.push((name, value)),
            }
        }
        Ok(())
    }

    /// Appends the labels of a series as fields of a `prometheus.TimeSeries`: sorted, without those that are empty.
    pub(crate) fn write(&mut self, name: &'a str, out: &mut Vec<u8>) {
        self.set(METRIC_NAME, name);
        self.0.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            put_label(out, 1, name, value);
        }
    }
}

impl<'a> Common<'a> {
    /// Of a resource.
    pub(crate) fn of_resource(resource: Option<&'a Resource>, how: &'a Translation) -> Result<Self, NameError> {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        let mut common = Self::default();
        for promoted in how.promoted.iter() {
            if let Some(attribute) = attributes.iter().find(|attribute| attribute.key == promoted) {
                common.promoted.set(names::label(promoted, how)?, values::text(attribute.value.as_ref()));
            }
        }
        common.fixed = identity(attributes);
        Ok(common)
    }

    /// The same for one scope of the resource.
    pub(crate) fn with_scope(&self, scope: Option<&'a InstrumentationScope>, url: &'a str, how: &Translation) -> Result<Self, NameError> {
        let mut common = self.clone();
        let Some(scope) = scope.filter(|scope| how.promote_scope && !scope.name.is_empty()) else {
            return Ok(common);
        };
        let mut fixed = LabelSet::default();
        for attribute in &scope.attributes {
            let name = names::label(&format!("otel_scope_{}", attribute.key), how)?.into_owned();
            fixed.set(name, values::text(attribute.value.as_ref()));
        }
        // After the attributes, none of which may take their place.
        for (name, value) in [("otel_scope_name", &*scope.name), ("otel_scope_version", &*scope.version), ("otel_scope_schema_url", url)] {
            fixed.set(name, value);
        }
        fixed.extend(common.fixed);
        common.fixed = fixed;
        Ok(common)
    }

    /// The labels of a point, without the metric's name.
    pub(crate) fn labels(&self, attributes: &'a [KeyValue], how: &Translation) -> Result<LabelSet<'a>, NameError> {
        let mut labels = LabelSet::default();
        labels.attributes(attributes, &[], how)?;
        for (name, value) in &self.promoted.0 {
            if labels.get(name).is_none() {
                labels.0.push((name.clone(), value.clone()));
            }
        }
        labels.extend(self.fixed.clone());
        Ok(labels)
    }
}

/// `job` and `instance` of a resource, as far as it names them.
pub(crate) fn identity(attributes: &[KeyValue]) -> LabelSet<'_> {
    let find = |key: &str| attributes.iter().find(|attribute| attribute.key == key).map(|found| values::text(found.value.as_ref()));
    let mut labels = LabelSet::default();
    if let Some(name) = find("service.name") {
        let job = match find("service.namespace") {
            Some(namespace) => Cow::Owned(format!("{namespace}/{name}")),
            None => name,
        };
        labels.set("job", job);
    }
    if let Some(instance) = find("service.instance.id") {
        labels.set("instance", instance);
    }
    labels
}

/// Appends a `prometheus.Label` as the field `number`, which is below 16.
pub(crate) fn put_label(out: &mut Vec<u8>, number: u64, name: &str, value: &str) {
    let field = |len: usize| 1 + varint_len(len as u64) + len;
    put_varint(out, number << 3 | 2);
    put_varint(out, (field(name.len()) + field(value.len())) as u64);
    put_bytes(out, 1, name.as_bytes());
    put_bytes(out, 2, value.as_bytes());
}
