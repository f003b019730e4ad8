//! The crate graph is the architecture: roles know no signal, signals know no role, and what is shared knows neither.

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::process::Command;

    use serde_json::Value;

    use crate::tools;

    /// Where a crate stands in the house.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Place {
        Proto,
        Shared,
        Seam,
        Signal,
        SignalList,
        Role,
        AllInOne,
        Binary,
    }

    fn place(folder: &str) -> Option<Place> {
        Some(match folder {
            "proto" => Place::Proto,
            "services/shared/signal" => Place::Seam,
            "services/signals/all" => Place::SignalList,
            "services/all-in-one" => Place::AllInOne,
            "services/bin" => Place::Binary,
            _ if folder.starts_with("services/shared/") => Place::Shared,
            _ if folder.starts_with("services/signals/") => Place::Signal,
            _ if folder.starts_with("services/") => Place::Role,
            _ => return None,
        })
    }

    /// Whether a crate of the one place may name one of the other in its `[dependencies]`.
    fn allowed(from: Place, to: Place) -> bool {
        use Place::{AllInOne, Binary, Proto, Role, Seam, Shared, Signal, SignalList};
        match from {
            Proto => false,
            Shared => matches!(to, Proto | Shared),
            Seam => matches!(to, Proto | Shared),
            Signal => matches!(to, Proto | Shared | Seam),
            SignalList => matches!(to, Proto | Shared | Seam | Signal),
            Role => matches!(to, Proto | Shared | Seam),
            AllInOne => matches!(to, Proto | Shared | Seam | Role),
            Binary => to != Binary,
        }
    }

    fn metadata() -> Value {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
            .current_dir(tools::root())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
    }

    /// Folder and dependencies (folder, kind) of each crate of the workspace.
    fn crates() -> BTreeMap<String, Vec<(String, bool)>> {
        let metadata = metadata();
        let root = metadata["workspace_root"].as_str().expect("a root").to_owned() + "/";
        let folder = |path: &str| path.strip_prefix(&root).unwrap_or(path).trim_end_matches("/Cargo.toml").to_owned();
        let packages = metadata["packages"].as_array().expect("packages");
        let dependencies = |package: &Value| {
            let all = package["dependencies"].as_array().expect("dependencies").iter();
            let ours = all.filter_map(|dependency| Some((folder(dependency["path"].as_str()?), dependency["kind"].is_null())));
            ours.collect::<Vec<_>>()
        };
        packages.iter().map(|package| (folder(package["manifest_path"].as_str().expect("a path")), dependencies(package))).collect()
    }

    #[test]
    fn crates_name_only_what_they_may_know() {
        let crates = crates();
        assert!(crates.len() > 15, "the whole workspace is seen: {}", crates.len());
        let mut wrong = Vec::new();
        for (folder, dependencies) in &crates {
            let Some(from) = place(folder) else { continue };
            for (to, is_normal) in dependencies {
                let to_place = place(to).unwrap_or_else(|| panic!("{folder} depends on {to}"));
                // Tests of the all-in-one bring roles and signals together, as the binaries do.
                let tests_all = !is_normal && from == Place::AllInOne;
                if !allowed(from, to_place) && !tests_all {
                    wrong.push(format!("{folder} must not depend on {to}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn the_rules_tell_roles_and_signals_apart() {
        assert!(!allowed(Place::Role, Place::Signal) && !allowed(Place::Signal, Place::Role));
        assert!(!allowed(Place::Shared, Place::Seam) && !allowed(Place::Role, Place::Role));
        assert_eq!(place("services/signals/metrics"), Some(Place::Signal));
        assert_eq!(place("services/query-frontend"), Some(Place::Role));
    }
}
