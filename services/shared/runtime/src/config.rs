//! Configuration: one typed tree for a process, each part of it beside the code that it configures.
//!
//! A part is declared with [`settings!`](crate::settings): every field has a default and a sentence of documentation, from
//! which `--help`, `--print-config` and the reference in `docs/` are made. Values come from the defaults, then the YAML
//! file, then `QUARTET_SECTION__KEY`, then `--section.key=value`.

mod args;
pub mod error;
mod expand;
pub mod load;
pub mod print;
mod tree;
pub mod values;

pub use error::{ConfigError, at_least, at_most, nearest};
pub use load::{Command, command, load};
pub use print::reference;
pub use tree::patch;
pub use values::{ByteSize, HumanDuration, Secret};

use std::collections::BTreeMap;

use crate::server::ServerConfig;
use crate::telemetry::TelemetryConfig;

/// The configuration of a whole process: what the runtime itself needs of it.
pub trait Tree {
    /// Ports, TLS, shutdown.
    fn server(&self) -> &ServerConfig;

    /// Logs.
    fn telemetry(&self) -> &TelemetryConfig;

    /// Ports that are opened only where something is served on them, by the name under which routes or services were added; 0: off.
    fn ports(&self) -> BTreeMap<&'static str, u16> {
        BTreeMap::new()
    }

    /// Complains about values that cannot work together or are out of bounds. Asked once, after loading.
    fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// A setting, or a group of settings.
pub trait Setting {
    /// Appends what documents this setting, or each of those below it, in the order of their declaration.
    ///
    /// * `at`: the key so far, `section.key`.
    /// * `doc`: the sentence of the field that holds it.
    /// * `self` is the default that is shown.
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>);
}

/// What `--help` says about one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingDoc {
    /// `section.key`.
    pub key: String,
    /// What it does.
    pub doc: String,
    /// Its default, as it would stand in the YAML.
    pub default: String,
    /// What values look like: `duration`, `bytes`, `integer`, `number`, `text`, `true or false`, or the choices. Entries of a `map` are laid
    /// over those before one by one, a `whole map` takes the place of the one before.
    pub kind: String,
}

impl SettingDoc {
    /// A leaf of the tree.
    pub fn leaf(at: &str, doc: &str, default: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { key: at.to_owned(), doc: doc.to_owned(), default: default.into(), kind: kind.into() }
    }
}

/// Joins a key and the one below it.
#[must_use]
pub fn join(at: &str, key: &str) -> String {
    if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") }
}

/// Declares a group of settings: a struct whose fields all have a default and a sentence.
///
/// ```
/// # extern crate quartet_runtime as runtime;
/// runtime::settings! {
///     /// Settings of the door.
///     pub struct DoorConfig {
///         /// How long it stays open.
///         pub open: runtime::config::HumanDuration = runtime::config::HumanDuration::from_secs(5),
///     }
/// }
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $( $(#[doc = $doc:literal])* $fvis:vis $field:ident : $ty:ty = $default:expr ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        $vis struct $name { $( $(#[doc = $doc])* $fvis $field: $ty, )* }

        impl ::std::default::Default for $name {
            fn default() -> Self {
                Self { $( $field: $default, )* }
            }
        }

        impl $crate::config::Setting for $name {
            fn describe(&self, at: &str, _doc: &str, out: &mut ::std::vec::Vec<$crate::config::SettingDoc>) {
                $( $crate::config::Setting::describe(
                    &self.$field,
                    &$crate::config::join(at, stringify!($field)),
                    concat!($($doc),*).trim(),
                    out,
                ); )*
            }
        }
    };
}

/// Declares a setting that has a few named values.
#[macro_export]
macro_rules! setting_enum {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident { $( $(#[doc = $doc:literal])* $variant:ident = $text:literal ),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ::serde::Serialize, ::serde::Deserialize)]
        $vis enum $name { $( $(#[doc = $doc])* #[serde(rename = $text)] $variant, )* }

        impl $name {
            /// The word in the configuration.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )* }
            }
        }

        impl $crate::config::Setting for $name {
            fn describe(&self, at: &str, doc: &str, out: &mut ::std::vec::Vec<$crate::config::SettingDoc>) {
                let choices: &[&str] = &[$($text),*];
                out.push($crate::config::SettingDoc::leaf(at, doc, self.as_str(), choices.join(" | ")));
            }
        }
    };
}
