//! The schemas of Kubernetes itself.

use std::fs;
use std::process::Command;

use super::objects::Release;
use super::{ChartsError, io};
use crate::tools;

/// The newest minor versions.
const VERSIONS: [&str; 3] = ["1.35", "1.36", "1.37"];

/// Kinds of other projects, which Kubernetes has no schemas of.
const OTHERS: [&str; 1] = ["ServiceMonitor"];

/// Checks every object against the schemas of three versions, unknown fields refused.
pub(super) fn validate(releases: &[Release]) -> Result<(), ChartsError> {
    let program = tools::kubernetes_validate()?;
    let folder = tools::target().join("charts");
    fs::create_dir_all(&folder).map_err(io("make the directory of the charts"))?;
    let mut files = Vec::with_capacity(releases.len());
    for release in releases {
        let path = folder.join(release.name.replace(['(', ')'], "").replace(' ', "-")).with_extension("yaml");
        let mut text = String::new();
        for object in release.objects.iter().filter(|object| !OTHERS.contains(&object.kind())) {
            let object = serde_yaml_ng::to_string(&object.0).map_err(|source| ChartsError::Yaml { path: path.clone(), source })?;
            text.push_str("---\n");
            text.push_str(&object);
        }
        fs::write(&path, text).map_err(io(format!("write {}", path.display())))?;
        files.push(path);
    }
    for version in VERSIONS {
        let mut command = Command::new(&program);
        command.args(["--kubernetes-version", version, "--strict", "--quiet"]).args(&files);
        let output = command.output().map_err(io("run kubernetes-validate"))?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            return Err(ChartsError::Failed { command: format!("kubernetes-validate of {version}"), output });
        }
    }
    Ok(())
}
