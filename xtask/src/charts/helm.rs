//! Helm itself.

use std::path::PathBuf;
use std::process::{Command, Output};

use super::objects::Release;
use super::{ChartsError, NAMESPACE, folder, io};
use crate::tools;

/// The program.
#[derive(Debug)]
pub(super) struct Helm {
    program: PathBuf,
}

impl Helm {
    pub(super) fn install() -> Result<Self, ChartsError> {
        Ok(Self { program: tools::helm()? })
    }

    /// Helm's own checks, warnings included.
    pub(super) fn lint(&self, chart: &str) -> Result<(), ChartsError> {
        self.run(&["lint", "--strict", "--quiet", "--set", "global.storage.url=s3://metrics", &path(chart)]).map(drop)
    }

    /// What Helm would install.
    pub(super) fn render(&self, chart: &str, release: &str, variant: &str, args: &[&str]) -> Result<Release, ChartsError> {
        let name = format!("{chart} ({variant})");
        let chart_path = path(chart);
        let output = self.run(&[&["template", release, &chart_path, "--namespace", NAMESPACE], args].concat())?;
        Release::parse(name, &String::from_utf8_lossy(&output.stdout))
    }

    /// What Helm says against these values; nothing, when it takes them.
    pub(super) fn refusal(&self, chart: &str, args: &[&str]) -> Result<Option<String>, ChartsError> {
        let chart_path = path(chart);
        let output = self.output(&[&["template", "refused", &chart_path], args].concat())?;
        Ok((!output.status.success()).then(|| said(&output)))
    }

    /// What a chart says after its installation.
    pub(super) fn notes(&self, chart: &str, args: &[&str]) -> Result<String, ChartsError> {
        let chart_path = path(chart);
        let output = self.run(&[&["install", chart, &chart_path, "--namespace", NAMESPACE, "--dry-run=client"], args].concat())?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.split_once("NOTES:\n").map(|(_, notes)| notes.to_owned()).unwrap_or_default())
    }

    fn run(&self, args: &[&str]) -> Result<Output, ChartsError> {
        let output = self.output(args)?;
        if output.status.success() {
            return Ok(output);
        }
        let command = format!("helm {}", args.join(" "));
        Err(ChartsError::Failed { command, output: said(&output) })
    }

    fn output(&self, args: &[&str]) -> Result<Output, ChartsError> {
        Command::new(&self.program).args(args).output().map_err(io("run helm"))
    }
}

fn path(chart: &str) -> String {
    folder().join(chart).display().to_string()
}

/// What was printed, without the lines that name symbolic links: charts stand below others as links.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    text.lines().filter(|line| !line.contains("symbolic link")).collect::<Vec<_>>().join("\n")
}
