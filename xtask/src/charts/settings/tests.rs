use serde_json::json;

use super::{OWN, read, row};

#[test]
fn a_row_of_the_table_is_a_setting() {
    let (name, setting) = row("| `wal.fsync` | When: `a \\| b`. | always \\| interval | `always` |").unwrap();
    assert_eq!((name.as_str(), setting.default.as_str()), ("wal.fsync", "always"));
    assert_eq!(setting.schema(), json!({ "enum": ["always", "interval"] }));
    assert!(row("| Setting | Meaning | Values | Default |").is_none());
    assert!(row("| --- | --- | --- | --- |").is_none());
}

#[test]
fn all_settings_are_found() {
    let settings = read().unwrap();
    assert!(settings.0.len() > 200, "{}", settings.0.len());
    for name in ["server.http_port", "overrides.metrics", "limits.metrics.ingestion_rate", "server.alias.prometheus"] {
        assert!(settings.has(name), "{name}");
    }
    for name in ["server.http_prot", "server", "limits.metrics", "nothing.at.all"] {
        assert!(!settings.has(name), "{name}");
    }
}

#[test]
fn what_charts_set_themselves_are_settings_and_not_left_to_users() {
    let settings = read().unwrap();
    let schema = settings.schema();
    for name in OWN {
        assert!(settings.has(name), "{name}");
        let place = name.split('.').try_fold(&schema, |at, part| at.get("properties")?.get(part));
        assert!(place.is_none(), "{name}");
    }
    assert_eq!(schema["properties"]["wal"]["properties"]["fsync"]["enum"][0], "always");
    assert_eq!(schema["properties"]["limits"]["properties"]["metrics"]["additionalProperties"], false);
}
