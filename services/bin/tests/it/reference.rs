//! `docs/configuration.md` is the settings as they are. `BLESS=1 cargo test -p quartet --test it` writes it anew.

use std::fmt::Write;
use std::path::Path;

use quartet::config::{AllInOneConfig, Config};
use runtime::config::{Setting, SettingDoc};

/// Every setting of the roles, then the defaults that the all-in-one has in their place.
fn page() -> String {
    let mut page = runtime::config::reference::<Config>();
    page.push_str(
        "\n## Defaults of the all-in-one\n\nThe program `quartet` reads the same settings. These begin with other values there.\n\n\
         | Setting | Default of a role | Default of `quartet` |\n| --- | --- | --- |\n",
    );
    let own = docs(&AllInOneConfig::default());
    for role in docs(&Config::default()) {
        let own = own.iter().find(|doc| doc.key == role.key).expect("both are one tree");
        if own.default != role.default {
            writeln!(page, "| `{}` | `{}` | `{}` |", role.key, role.default, own.default).expect("a String takes everything");
        }
    }
    page
}

fn docs(config: &impl Setting) -> Vec<SettingDoc> {
    let mut docs = Vec::new();
    config.describe("", "", &mut docs);
    docs
}

#[test]
fn the_reference_shows_the_settings_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = page();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &page).expect("the documentation can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/configuration.md is not what the settings say: run `BLESS=1 cargo test -p quartet --test it`");
}
