//! The command line of every binary.

use std::path::PathBuf;

use super::ConfigError;

/// What a command line says, before it is known which settings there are.
#[derive(Debug, Default)]
pub(super) struct Args {
    /// `--config FILE`, in order: later files win.
    pub(super) files: Vec<PathBuf>,
    /// `--section.key=value`, in order.
    pub(super) set: Vec<(String, String)>,
    /// The text that is wanted instead of a run.
    pub(super) text: Option<Text>,
}

/// A text that a binary prints before it exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Help,
    Version,
    PrintConfig,
    Check,
}

impl Args {
    /// Reads the arguments after the program's name. `is_switch` tells settings that may stand alone, for `true`.
    pub(super) fn parse(args: impl IntoIterator<Item = String>, is_switch: &dyn Fn(&str) -> bool) -> Result<Self, ConfigError> {
        let mut out = Self::default();
        let mut args = args.into_iter().peekable();
        while let Some(arg) = args.next() {
            let text = match arg.as_str() {
                "-h" | "--help" => Some(Text::Help),
                "-V" | "--version" => Some(Text::Version),
                "--print-config" => Some(Text::PrintConfig),
                "--check-config" => Some(Text::Check),
                _ => None,
            };
            if text.is_some() {
                out.text = out.text.or(text);
                continue;
            }
            let Some(flag) = arg.strip_prefix("--").filter(|flag| !flag.is_empty()) else { return Err(ConfigError::Argument(arg)) };
            let (name, value) = match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned()),
                None if is_switch(flag) && args.peek().is_none_or(|next| next != "true" && next != "false") => {
                    (flag.to_owned(), "true".to_owned())
                }
                None => (flag.to_owned(), args.next().ok_or_else(|| ConfigError::NoValue(flag.to_owned()))?),
            };
            if name == "config" { out.files.push(value.into()) } else { out.set.push((name, value)) }
        }
        Ok(out)
    }
}
