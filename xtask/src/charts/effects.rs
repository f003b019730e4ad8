//! What each value does: a case for every value of every chart, so that there is none that does nothing.

mod cases;

use std::collections::BTreeSet;

use serde_json::Value;

use super::helm::Helm;
use super::objects::{Object, Release};
use super::{ALL_IN_ONE, COMPONENTS, ChartsError, UMBRELLA, generated, refusals};
use cases::CASES;

/// Values of a chart, and what they make of it.
struct Case {
    chart: &'static str,
    /// Each `name=JSON`.
    values: &'static [&'static str],
    effects: &'static [Effect],
}

/// Kind and name of an object (`Config` is the configuration file in a ConfigMap), a JSON pointer into it, and the JSON there; `absent` is none.
type Effect = (&'static str, &'static str, &'static str);

/// Values without the effect that their case names, and values that no case names.
pub(super) fn run(helm: &Helm) -> Result<Vec<String>, ChartsError> {
    let mut faults = Vec::new();
    for case in &CASES {
        let bucket = ["--set-json", "global.storage.url=\"s3://metrics\""];
        let given = case.values.iter().flat_map(|value| ["--set-json", value]);
        let args: Vec<&str> = bucket.into_iter().chain(given).collect();
        let release = helm.render(case.chart, case.chart, "case", &args)?;
        let missing = case.effects.iter().filter_map(|effect| missing(&release, effect));
        faults.extend(missing.map(|fault| format!("{} {}: {fault}", case.chart, case.values.join(" "))));
    }
    faults.extend(without_a_case()?);
    Ok(faults)
}

/// What is there instead of an effect.
fn missing(release: &Release, (id, pointer, expected): &Effect) -> Option<String> {
    let tree = tree(release, id);
    let found = tree.as_ref().and_then(|tree| tree.pointer(pointer));
    let right = match *expected {
        "absent" => found.is_none(),
        expected => found.is_some() && found == serde_json::from_str(expected).ok().as_ref(),
    };
    (!right).then(|| format!("{id} {pointer} is {}, not {expected}", found.map_or("absent".to_owned(), Value::to_string)))
}

fn tree(release: &Release, id: &str) -> Option<Value> {
    if let Some(name) = id.strip_prefix("Config ") {
        let map = release.of_kind("ConfigMap").find(|object| object.name() == name)?;
        return serde_yaml_ng::from_str(map.0["data"]["quartet.yaml"].as_str()?).ok();
    }
    release.objects.iter().find(|object| object.id() == id).map(|Object(tree)| tree.clone())
}

fn without_a_case() -> Result<Vec<String>, ChartsError> {
    let mut named = BTreeSet::new();
    for value in refusals::values().chain(CASES.iter().flat_map(|case| case.values).copied()) {
        names(value, &mut named);
    }
    let mut faults = BTreeSet::new();
    for chart in COMPONENTS.iter().chain([&ALL_IN_ONE, &UMBRELLA]) {
        for value in generated::names(chart)? {
            let inner = format!("{value}.");
            if !named.iter().any(|name| *name == value || name.starts_with(&inner)) {
                faults.insert(format!("{value}: no case shows what it does"));
            }
        }
    }
    Ok(faults.into_iter().collect())
}

/// The names in `name[0].part=JSON`, those in the JSON included.
fn names(value: &str, out: &mut BTreeSet<String>) {
    let end = value.find(['=', '[']).unwrap_or(value.len());
    let tree = value.split_once('=').and_then(|(_, json)| serde_json::from_str(json).ok()).unwrap_or_default();
    inner_names(&value[..end], &tree, out);
}

fn inner_names(at: &str, tree: &Value, out: &mut BTreeSet<String>) {
    out.insert(at.to_owned());
    for (key, value) in tree.as_object().into_iter().flatten() {
        inner_names(&format!("{at}.{key}"), value, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_values_are_found_in_json_too() {
        let mut found = BTreeSet::new();
        names("a.b[0].c=1", &mut found);
        names("d={\"e\":{\"f\":1}}", &mut found);
        assert_eq!(found, ["a.b", "d", "d.e", "d.e.f"].map(str::to_owned).into());
    }

    #[test]
    fn an_effect_is_compared_with_what_is_there() {
        let text = "kind: ConfigMap\nmetadata: { name: a }\ndata: { quartet.yaml: 'ring: { zones: [] }' }\n";
        let release = Release::parse("test".to_owned(), text).unwrap();
        assert_eq!(missing(&release, &("Config a", "/ring/zones", "[]")), None);
        assert_eq!(missing(&release, &("ConfigMap b", "", "absent")), None);
        assert_eq!(missing(&release, &("Config a", "/ring/zones", "[1]")).unwrap(), "Config a /ring/zones is [], not [1]");
        assert_eq!(missing(&release, &("ConfigMap a", "", "absent")).unwrap().split(" is ").next(), Some("ConfigMap a "));
    }
}
