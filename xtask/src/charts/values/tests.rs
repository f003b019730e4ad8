use std::fs;

use serde_json::json;

use super::{Kind, at, lay_over, read, schema};

const VALUES: &str = "\
# Not of a value.

# How many.
# @schema {\"minimum\": 1}
replicas: 2
image:
  # Its name,
  # in two lines.
  name: \"a:b\"
# Settings.
# @configuration
config:
  one: { two: 3 }
# Free.
# @schema {\"additionalProperties\": true}
resources:
  limits: { cpu: 1 }
";

fn nodes(text: &str) -> Vec<super::Node> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.yaml");
    fs::write(&path, text).unwrap();
    read(&path).unwrap()
}

#[test]
fn comments_and_defaults_make_the_schema() {
    assert_eq!(
        schema(&nodes(VALUES)),
        json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "replicas": { "description": "How many.", "type": "integer", "minimum": 1 },
                "image": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": { "name": { "description": "Its name, in two lines.", "type": "string" } },
                },
                "config": { "$ref": "#/definitions/configuration" },
                "resources": { "description": "Free.", "type": "object", "additionalProperties": true },
            },
        })
    );
}

#[test]
fn the_table_has_a_row_for_each_value() {
    let mut rows = Vec::new();
    nodes(VALUES).iter().for_each(|node| node.rows("", &mut rows));
    assert_eq!(
        rows,
        [
            "| `replicas` | How many. | `2` |",
            "| `image.name` | Its name, in two lines. | `\"a:b\"` |",
            "| `config` | Settings. | `{\"one\":{\"two\":3}}` |",
            "| `resources` | Free. | `{\"limits\":{\"cpu\":1}}` |",
        ]
    );
}

#[test]
fn what_is_written_is_what_was_read() {
    let mut text = String::new();
    nodes(VALUES).iter().for_each(|node| node.yaml(0, &mut text));
    let values = |text: &str| serde_yaml_ng::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(values(&text), values(VALUES));
    assert!(text.starts_with("# How many.\nreplicas: 2\n"), "{text}");
}

#[test]
fn own_values_are_laid_over_those_of_groups() {
    let mut below = nodes(VALUES);
    lay_over(&mut below, nodes("# Fewer.\nreplicas: 1\nimage:\n  # New.\n  tag: x\n"));
    assert!(matches!(&below[0].kind, Kind::Leaf { default, .. } if *default == json!(1)));
    assert_eq!(below[0].text, "Fewer.");
    let names: Vec<&str> = at(&below, &["image"]).iter().map(|node| node.key.as_str()).collect();
    assert_eq!(names, ["name", "tag"]);
}

#[test]
fn a_schema_that_is_no_json_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.yaml");
    fs::write(&path, "a: 1\n# @schema {\nb: 2\n").unwrap();
    assert!(read(&path).unwrap_err().to_string().contains("line 2"));
}
