//! Labels of a series: attributes of the point, what is promoted of resource and scope, `job` and `instance`.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use proto::opentelemetry::proto::common::v1::{InstrumentationScope, KeyValue};
use proto::opentelemetry::proto::resource::v1::Resource;

use super::names::{self, NameError};
use super::settings::Translation;
use super::values;
use crate::ingest::protobuf::{put_bytes, put_varint, varint_len};
use crate::model::METRIC_NAME;

/// Attributes of a resource that say which one it is.
pub(crate) const IDENTIFYING: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];

/// Pairs of name and value, sorted by name, each name once.
///
/// Clients choose how many there are: whatever is done with a set takes time in proportion to it, not to its square.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelSet<'a>(Vec<Pair<'a>>);

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// What all points of a resource, or of a scope in it, have in common.
#[derive(Clone, Debug, Default)]
pub(crate) struct Common<'a> {
    /// Labels that an attribute of a point may take the place of.
    promoted: LabelSet<'a>,
    /// Labels that take the place of a point's attributes.
    fixed: LabelSet<'a>,
}

impl<'a> LabelSet<'a> {
    /// Of attributes under cleaned names. Values of keys that become one name are joined in the order of the keys.
    pub(crate) fn of(attributes: impl IntoIterator<Item = &'a KeyValue>, how: &Translation) -> Result<Self, NameError> {
        let named = |attribute: &'a KeyValue| {
            Ok((attribute.key.as_str(), names::label(&attribute.key, how)?, values::text(attribute.value.as_ref())))
        };
        let mut named = attributes.into_iter().map(named).collect::<Result<Vec<_>, NameError>>()?;
        named.sort_by(|one, other| (&one.1, one.0).cmp(&(&other.1, other.0)));
        let mut labels: Vec<Pair<'a>> = Vec::with_capacity(named.len() + 3);
        for (_, name, value) in named {
            match labels.last_mut() {
                Some((last, joined)) if *last == name => {
                    let joined = joined.to_mut();
                    joined.push(';');
                    joined.push_str(&value);
                }
                _ => labels.push((name, value)),
            }
        }
        Ok(Self(labels))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.place(name).ok().map(|place| self.0[place].1.as_ref())
    }

    /// Sets a label, whatever it was before.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) {
        let (name, value) = (name.into(), value.into());
        match self.place(&name) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (name, value)),
        }
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_ref().cmp(name))
    }

    /// All labels of both; those of `over` take the place of others.
    pub(crate) fn under(self, over: Self) -> Self {
        if self.0.is_empty() {
            return over;
        }
        let mut labels = Vec::with_capacity(self.0.len() + over.0.len() + 1);
        let (mut low, mut high) = (self.0.into_iter().peekable(), over.0.into_iter().peekable());
        while let (Some(one), Some(other)) = (low.peek(), high.peek()) {
            match one.0.cmp(&other.0) {
                Ordering::Less => labels.extend(low.next()),
                Ordering::Equal => drop(low.next()),
                Ordering::Greater => labels.extend(high.next()),
            }
        }
        labels.extend(low);
        labels.extend(high);
        Self(labels)
    }

    /// Appends the labels of a series as fields of a `prometheus.TimeSeries`: without those that are empty.
    pub(crate) fn write(&mut self, name: &'a str, out: &mut Vec<u8>) {
        self.set(METRIC_NAME, name);
        for (name, value) in self.0.iter().filter(|(_, value)| !value.is_empty()) {
            put_label(out, 1, name, value);
        }
    }
}

impl<'a> Common<'a> {
    /// Of a resource.
    pub(crate) fn of_resource(resource: Option<&'a Resource>, how: &'a Translation) -> Result<Self, NameError> {
        let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
        let mut promoted = LabelSet::default();
        for name in how.promoted.iter() {
            if let Some(attribute) = attributes.iter().find(|attribute| attribute.key == name) {
                promoted.set(names::label(name, how)?, values::text(attribute.value.as_ref()));
            }
        }
        Ok(Self { promoted, fixed: identity(attributes) })
    }

    /// The same for one scope of the resource.
    pub(crate) fn with_scope(&self, scope: Option<&'a InstrumentationScope>, url: &'a str, how: &Translation) -> Result<Self, NameError> {
        let mut common = self.clone();
        let Some(scope) = scope.filter(|scope| how.promote_scope && !scope.name.is_empty()) else {
            return Ok(common);
        };
        let mut attributes = BTreeMap::new();
        for attribute in &scope.attributes {
            let name = names::label(&format!("otel_scope_{}", attribute.key), how)?.into_owned();
            attributes.insert(Cow::Owned(name), values::text(attribute.value.as_ref()));
        }
        let mut fixed = LabelSet(attributes.into_iter().collect());
        // After the attributes, none of which may take their place.
        for (name, value) in [("otel_scope_name", &*scope.name), ("otel_scope_version", &*scope.version), ("otel_scope_schema_url", url)] {
            fixed.set(name, value);
        }
        common.fixed = fixed.under(common.fixed);
        Ok(common)
    }

    /// The labels of a point, without the metric's name.
    pub(crate) fn labels(&self, attributes: &'a [KeyValue], how: &Translation) -> Result<LabelSet<'a>, NameError> {
        Ok(self.promoted.clone().under(LabelSet::of(attributes, how)?).under(self.fixed.clone()))
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
