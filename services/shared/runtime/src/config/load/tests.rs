use std::collections::BTreeMap;
use std::io::Write;

use super::{Command, command, load};
use crate::config::print::Pages;
use crate::config::{ByteSize, ConfigError, HumanDuration, Secret, at_least, reference};

crate::settings! {
    /// A section.
    struct Ingester {
        /// Bytes of pushes at once.
        max_inflight_push: ByteSize = ByteSize(64 << 20),
        /// How old.
        window: HumanDuration = HumanDuration::from_secs(60),
        /// Whether it syncs.
        sync: bool = true,
        /// A password.
        password: Secret = Secret::default(),
    }
}

crate::settings! {
    /// Everything.
    struct Config {
        /// What is stored.
        signals: Vec<String> = vec!["metrics".to_owned()],
        /// The ingester.
        ingester: Ingester = Ingester { window: HumanDuration::from_secs(5), ..Ingester::default() },
        /// Ports by name.
        alias: BTreeMap<String, u16> = BTreeMap::from([("loki".to_owned(), 3100)]),
        /// A name.
        id: String = String::new(),
        /// A port.
        port: u16 = 80,
        /// A part.
        share: f64 = 0.5,
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn read(yaml: &str, env: &[(&str, &str)], flags: &[&str]) -> Result<Config, ConfigError> {
    let file = file(yaml);
    let config = ["--config".to_owned(), file.path().to_str().unwrap().to_owned()];
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load("test", config.into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())), env)
}

/// The text of the error, without the place in which it was.
fn refused(yaml: &str, env: &[(&str, &str)], flags: &[&str]) -> String {
    let text = read(yaml, env, flags).unwrap_err().to_string();
    text.rsplit_once(" (in ").map_or(text.clone(), |(text, _)| text.to_owned())
}

#[test]
fn the_later_source_wins_key_by_key() {
    let yaml = "port: 1\nid: file\ningester:\n  max_inflight_push: 1MiB\n  sync: false\nalias: {prometheus: 9090}\n";
    let env = [("QUARTET_PORT", "2"), ("QUARTET_INGESTER__SYNC", "true"), ("QUARTET_ALIAS__LOKI", "0"), ("PORT", "9")];
    let config = read(yaml, &env, &["--port=3", "--share", "1", "--signals=metrics, logs"]).unwrap();
    assert_eq!(config.port, 3);
    assert_eq!(config.id, "file");
    assert_eq!(config.ingester.max_inflight_push, ByteSize(1 << 20));
    assert!(config.ingester.sync);
    // The default of the whole, not of the section.
    assert_eq!(config.ingester.window, HumanDuration::from_secs(5));
    assert_eq!(config.alias, BTreeMap::from([("loki".to_owned(), 0), ("prometheus".to_owned(), 9090)]));
    assert_eq!(config.signals, ["metrics", "logs"]);
    assert!((config.share - 1.0).abs() < f64::EPSILON);
}

#[test]
fn nothing_given_is_the_default() {
    assert_eq!(read("", &[], &[]).unwrap(), Config::default());
    assert_eq!(read("# only\ningester:\n", &[], &[]).unwrap(), Config::default());
}

#[test]
fn an_unknown_key_is_named_with_the_nearest() {
    let expected = "ingester.max_inflight_pushes: unknown setting; did you mean ingester.max_inflight_push?";
    assert_eq!(refused("ingester: {max_inflight_pushes: 1}", &[], &[]), expected);
    assert_eq!(refused("", &[("QUARTET_INGESTER__MAX_INFLIGHT_PUSHES", "1")], &[]), expected);
    assert_eq!(refused("", &[], &["--ingester.max_inflight_pushes=1"]), expected);
    assert_eq!(refused("ingestr: {}", &[], &[]), "ingestr: unknown setting; did you mean ingester?");
    assert_eq!(refused("", &[], &["--server.port=1"]), "server.port: unknown setting; did you mean port?");
    assert_eq!(refused("qqqqqqqqqqqqqqqqqqqq: 1", &[], &[]), "qqqqqqqqqqqqqqqqqqqq: unknown setting");
}

#[test]
fn variables_of_kubernetes_services_are_no_settings() {
    let env = [("QUARTET_INGESTER_SERVICE_HOST", "10.0.0.1"), ("QUARTET_INGESTER_PORT", "tcp://10.0.0.1:80")];
    assert_eq!(read("", &env, &[]).unwrap(), Config::default());
}

#[test]
fn a_bad_value_is_named_with_what_is_expected() {
    let window = "ingester.window: expected duration: \"soon\" is not a duration: write 15s, 5m, 1h30m or 14d";
    assert_eq!(refused("ingester: {window: soon}", &[], &[]), window);
    assert_eq!(refused("ingester: {window: 1s}", &[("QUARTET_INGESTER__WINDOW", "soon")], &[]), window);
    let port = refused("", &[], &["--port=70000"]);
    assert!(port.starts_with("port: expected integer: ") && port.contains("70000"), "{port}");
    let alias = refused("alias: {loki: many}", &[], &[]);
    assert!(alias.starts_with("alias.loki: expected map: ") && alias.contains("many"), "{alias}");
    assert_eq!(refused("ingester: 5", &[], &[]), "ingester: expected a section with settings below it");
    let secret = refused("ingester: {password: [hunter2]}", &[], &[]);
    assert_eq!(secret, "ingester.password: expected secret: a value of another type");
}

#[test]
fn arguments_are_checked() {
    assert_eq!(refused("", &[], &["port=1"]), "port=1: not a flag; settings are given as --section.key=value");
    assert_eq!(refused("", &[], &["--port"]), "--port: a value must follow");
    assert!(!read("", &[], &["--ingester.sync", "false"]).unwrap().ingester.sync);
    let alone = read("ingester: {sync: false}", &[], &["--ingester.sync", "--port=1"]).unwrap();
    assert!(alone.ingester.sync);
}

#[test]
fn variables_are_expanded_in_files() {
    let yaml = "# ${NOT_SET}\nid: ${NAME}\nport: \"${PORT:81}\"\ningester: {password: '$${NAME}'}\n";
    let config = read(yaml, &[("NAME", "a")], &[]).unwrap();
    assert_eq!((config.id.as_str(), config.port, config.ingester.password.reveal()), ("a", 81, "${NAME}"));
    let unset = read("id: a\nport: ${PORT}\n", &[], &[]).unwrap_err().to_string();
    assert!(unset.ends_with(", line 2: ${PORT} is not set and has no default: write ${PORT:default}"), "{unset}");
}

#[test]
fn a_printed_configuration_reads_as_the_same() {
    let flags = ["--port=3", "--id=a: b # c", "--alias.x=1", "--share=0.25"];
    let args = |more: &str| flags.iter().map(|flag| (*flag).to_owned()).chain([more.to_owned()]).collect::<Vec<_>>();
    let Command::Print(text) = command::<Config>("test", args("--print-config"), []).unwrap() else { panic!("no text") };
    assert!(text.contains("  # How old.\n  # duration, default 5s\n  window: 5s\n"), "{text}");
    let expected = read("", &[], &flags).unwrap();
    assert_eq!(read(&text, &[], &[]).unwrap(), expected);
    assert!(matches!(load::<Config>("test", args("--print-config"), []), Err(ConfigError::OnlyText)));
}

#[test]
fn help_and_reference_name_every_setting() {
    let Command::Print(help) = command::<Config>("test", ["--help".to_owned()], []).unwrap() else { panic!("no text") };
    assert!(help.contains("--ingester.window=DURATION\n        How old. (default 5s)\n"), "{help}");
    let reference = reference::<Config>();
    assert!(reference.contains("\n## ingester\n"), "{reference}");
    assert!(reference.contains("| `ingester.max_inflight_push` | Bytes of pushes at once. | bytes | `64MiB` |\n"), "{reference}");
}

#[test]
fn pages_mask_secrets_and_tell_differences() {
    let config = read("port: 5\ningester: {password: hunter2}", &[], &[]).unwrap();
    let pages = Pages::of(&config).unwrap();
    assert!(!pages.effective.contains("hunter2") && pages.effective.contains("********"), "{}", pages.effective);
    assert_eq!(pages.diff, "ingester:\n  password: '********'\nport: 5\n");
    assert!(pages.defaults.contains("port: 80\n"));
}

#[test]
fn checks_name_key_and_bound() {
    let err = at_least("ingester.max_inflight_push", ByteSize(0), ByteSize(1 << 20)).unwrap_err();
    assert_eq!(err.to_string(), "ingester.max_inflight_push: 0B is below the minimum of 1MiB");
}
