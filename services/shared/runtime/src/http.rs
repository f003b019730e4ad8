//! The HTTP side of a process: routes on their way to the servers.

use std::collections::BTreeMap;
use std::fmt;

use axum::Router;

/// HTTP routes: those of the main port, and those of the alias ports by name (`prometheus`, `loki`, …).
#[derive(Clone, Default)]
pub struct Routes {
    main: Router,
    aliases: BTreeMap<&'static str, Router>,
}

impl Routes {
    /// Adds routes to the main port.
    pub fn main(&mut self, router: Router) {
        self.main = std::mem::take(&mut self.main).merge(router);
    }

    /// Adds routes to an alias port.
    pub fn alias(&mut self, alias: &'static str, router: Router) {
        let known = self.aliases.remove(alias).unwrap_or_default();
        self.aliases.insert(alias, known.merge(router));
    }

    /// Takes over all routes of another list.
    pub fn merge(&mut self, other: Self) {
        self.main(other.main);
        for (alias, router) in other.aliases {
            self.alias(alias, router);
        }
    }

    /// The main port's routes and each alias port's.
    #[must_use]
    pub fn into_parts(self) -> (Router, BTreeMap<&'static str, Router>) {
        (self.main, self.aliases)
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("aliases", &self.aliases.keys()).finish_non_exhaustive()
    }
}
