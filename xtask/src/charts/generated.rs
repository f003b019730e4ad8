//! What follows from the values: schemas, tables of values, the values of the chart that installs all others, and presets of single charts.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::settings::Settings;
use super::values::{self, Kind, Node};
use super::{ALL_IN_ONE, COMPONENTS, ChartsError, PRESETS, UMBRELLA, folder, io};

/// After this line a README is generated.
const TABLE: &str = "## Values\n";

/// A file that is generated.
struct Generated {
    path: PathBuf,
    text: String,
}

/// Compares what is generated with what is there, or writes it.
pub(super) fn run(settings: &Settings, write: bool) -> Result<(), ChartsError> {
    let mut files = umbrella(settings)?;
    for chart in COMPONENTS.iter().chain([&ALL_IN_ONE]) {
        files.extend(component(chart, settings)?);
    }
    for size in PRESETS {
        files.extend(presets(size)?);
    }
    if write {
        return files.iter().try_for_each(Generated::write);
    }
    let stale = files.iter().filter(|file| !file.is_fresh());
    let stale: Vec<String> = stale.map(|file| file.path.strip_prefix(folder()).unwrap_or(&file.path).display().to_string()).collect();
    if stale.is_empty() { Ok(()) } else { Err(ChartsError::Stale(stale)) }
}

impl Generated {
    fn is_fresh(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|text| text == self.text)
    }

    fn write(&self) -> Result<(), ChartsError> {
        if let Some(parent) = self.path.parent() {
            fs::create_dir_all(parent).map_err(io(format!("make {}", parent.display())))?;
        }
        fs::write(&self.path, &self.text).map_err(io(format!("write {}", self.path.display())))
    }
}

/// The values of a chart: groups of the library that it imports, and its own.
fn of_chart(chart: &str) -> Result<Vec<Node>, ChartsError> {
    let path = folder().join(chart).join("Chart.yaml");
    let manifest = yaml(&path)?;
    let library = values::read(&folder().join("common/values.yaml"))?;
    let mut nodes = Vec::new();
    for dependency in manifest["dependencies"].as_array().into_iter().flatten() {
        for group in dependency["import-values"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let group = values::at(&library, &["exports", group]);
            if group.is_empty() {
                let problem = format!("{chart} imports a group that the library does not have, or has empty");
                return Err(ChartsError::Values { path, line: 0, problem });
            }
            values::lay_over(&mut nodes, group.to_vec());
        }
    }
    values::lay_over(&mut nodes, values::read(&folder().join(chart).join("values.yaml"))?);
    Ok(nodes)
}

/// Names of all values that a chart has of its own; those of the chart that installs others are theirs.
pub(super) fn names(chart: &str) -> Result<Vec<String>, ChartsError> {
    let nodes = if chart == UMBRELLA { vec![switches()?] } else { of_chart(chart)? };
    let mut names = Vec::new();
    nodes.iter().for_each(|node| node.names("", &mut names));
    Ok(names)
}

/// Charts whose version of Quartet is not that of the workspace.
pub(super) fn versions() -> Result<Vec<String>, ChartsError> {
    let mut faults = Vec::new();
    for chart in COMPONENTS.iter().chain([&ALL_IN_ONE, &UMBRELLA]) {
        let manifest = yaml(&folder().join(chart).join("Chart.yaml"))?;
        if manifest["appVersion"] != env!("CARGO_PKG_VERSION") {
            faults.push(format!("{chart}: appVersion is {}, not {}", manifest["appVersion"], env!("CARGO_PKG_VERSION")));
        }
    }
    Ok(faults)
}

fn component(chart: &str, settings: &Settings) -> Result<Vec<Generated>, ChartsError> {
    let nodes = of_chart(chart)?;
    Ok(vec![schema(chart, &nodes, &["common"], settings)?, readme(chart, &nodes)?])
}

/// The schema of a chart; Helm itself puts values of sub-charts beside its own.
fn schema(chart: &str, nodes: &[Node], inner: &[&str], settings: &Settings) -> Result<Generated, ChartsError> {
    let mut schema = values::schema(nodes);
    for name in inner {
        schema["properties"][*name] = json!({ "type": "object" });
    }
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["definitions"] = json!({ "configuration": settings.schema() });
    let path = folder().join(chart).join("values.schema.json");
    let text = serde_json::to_string_pretty(&schema).map_err(|err| io("write a schema")(err.into()))?;
    Ok(Generated { path, text: text + "\n" })
}

/// The README with a table of values at its end; what is before it is written by hand.
fn readme(chart: &str, nodes: &[Node]) -> Result<Generated, ChartsError> {
    let path = folder().join(chart).join("README.md");
    let text = fs::read_to_string(&path).map_err(io(format!("read {}", path.display())))?;
    let head = text.split(TABLE).next().unwrap_or_default();
    let (common, own): (Vec<&Node>, Vec<&Node>) = nodes.iter().partition(|node| node.key == "global");
    let mut rows = Vec::new();
    own.iter().chain(&common).for_each(|node| node.rows("", &mut rows));
    let text = format!("{head}{TABLE}\n| Value | Meaning | Default |\n| --- | --- | --- |\n{}\n", rows.join("\n"));
    Ok(Generated { path, text })
}

/// The chart of all components: its values are those that all have in common, and those that only one of them has.
fn umbrella(settings: &Settings) -> Result<Vec<Generated>, ChartsError> {
    let mut nodes = vec![switches()?];
    let everything = of_chart(COMPONENTS[0])?;
    nodes.extend(everything.into_iter().filter(|node| node.key == "global"));
    let mut text =
        "# Values of all components: generated from those of their charts by `cargo xtask charts --write`. What else a component \
                    has,\n# the README.md of its chart lists: it is set here below the component's name.\n\n"
            .to_owned();
    nodes.iter().for_each(|node| node.yaml(0, &mut text));
    for chart in COMPONENTS {
        text.push('\n');
        let own = values::read(&folder().join(chart).join("values.yaml"))?;
        Node { key: chart.to_owned(), text: description(chart)?, kind: Kind::Group(own) }.yaml(0, &mut text);
    }
    let values = Generated { path: folder().join(UMBRELLA).join("values.yaml"), text };
    Ok(vec![values, schema(UMBRELLA, &nodes, &COMPONENTS, settings)?, readme(UMBRELLA, &nodes)?])
}

/// Which components are installed.
fn switches() -> Result<Node, ChartsError> {
    let leaf = |chart: &&str| {
        let text = format!("Whether this chart installs it: {}", description(chart)?);
        Ok(Node { key: (*chart).to_owned(), text, kind: Kind::Leaf { default: json!(true), schema: serde_json::Map::new() } })
    };
    let leaves: Vec<Node> = COMPONENTS.iter().map(leaf).collect::<Result<_, ChartsError>>()?;
    Ok(Node { key: "components".to_owned(), text: String::new(), kind: Kind::Group(leaves) })
}

fn description(chart: &str) -> Result<String, ChartsError> {
    let manifest = yaml(&folder().join(chart).join("Chart.yaml"))?;
    Ok(manifest["description"].as_str().unwrap_or_default().to_owned())
}

/// The presets of single charts: parts of that of the chart that installs all.
fn presets(size: &str) -> Result<Vec<Generated>, ChartsError> {
    let preset = |chart: &str| folder().join(chart).join("presets").join(size).with_extension("yaml");
    let whole = yaml(&preset(UMBRELLA))?;
    let part = |chart: &&str| {
        let mut values = whole[*chart].clone();
        if let Some(global) = whole.get("global") {
            values["global"] = global.clone();
        }
        let path = preset(chart);
        let text = serde_yaml_ng::to_string(&values).map_err(|source| ChartsError::Yaml { path: path.clone(), source })?;
        let text = format!("# Part of ../../{UMBRELLA}/presets/{size}.yaml, by `cargo xtask charts --write`.\n{text}");
        Ok(Generated { path, text })
    };
    COMPONENTS.iter().map(part).collect()
}

fn yaml(path: &Path) -> Result<Value, ChartsError> {
    let text = fs::read_to_string(path).map_err(io(format!("read {}", path.display())))?;
    serde_yaml_ng::from_str(&text).map_err(|source| ChartsError::Yaml { path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::super::settings;

    /// Schemas name every setting: one that is new or gone makes them stale.
    #[test]
    fn what_is_generated_is_as_it_stands() {
        let settings = settings::read().expect("the page of settings");
        if let Err(err) = super::run(&settings, false) {
            panic!("{err}");
        }
    }
}
