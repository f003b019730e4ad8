use runtime::settings;

use super::*;
use crate::TenantId;

settings! {
    /// Limits, as a signal has them.
    struct Numbers {
        /// The only one.
        x: u64 = 0,
    }
}

/// A file in which the tenants `a` and `b` have a limit, and who watches it.
fn watched(path: &Path) -> Watched<Numbers> {
    let content = b"overrides:\n  a: {x: 1}\n  b: {x: 2}\n".to_vec();
    std::fs::write(path, &content).unwrap();
    let overrides = Overrides::new(read(&Numbers::default(), path, &content).unwrap());
    let watched = Watched {
        path: path.to_owned(),
        base: Numbers::default(),
        overrides,
        clock: Arc::new(runtime::ManualClock::at(5_000_000_000)),
        successful: Gauge::default(),
        hash: Family::default(),
        seen: Some(content.clone()),
        unsettled: None,
    };
    watched.show(&content);
    watched
}

impl Watched<Numbers> {
    fn of(&self, tenant: &str) -> u64 {
        self.overrides.of(&TenantId::parse(tenant).unwrap()).x
    }
}

#[tokio::test]
async fn a_file_that_is_being_written_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("overrides.yaml");
    let mut watched = watched(&path);
    // Empty, cut between two tenants, cut within a number or a mapping, whole.
    for text in ["", "overrides:\n  a: {x: 1}\n", "overrides:\n  a: {x: 1}\n  b: {x: 3", "overrides:\n  a: {x: 1}\n  b: {x: 30}\n"] {
        std::fs::write(&path, text).unwrap();
        assert_eq!(watched.look().await, Next::Soon);
        assert_eq!((watched.of("a"), watched.of("b"), watched.successful.get()), (1, 2, 1), "{text}");
    }
    assert_eq!(watched.look().await, Next::Usual);
    assert_eq!(watched.of("b"), 30);
}

#[tokio::test]
async fn a_file_that_stays_empty_or_wrong_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("overrides.yaml");
    let mut watched = watched(&path);
    let reload = |successful| Some(Reload { successful, in_force_since_ms: 5000 });
    assert_eq!(watched.overrides.last_reload(), reload(true));
    std::fs::write(&path, "overrides: {a: {x: ").unwrap();
    assert_eq!((watched.look().await, watched.look().await), (Next::Soon, Next::Usual));
    assert_eq!((watched.of("b"), watched.successful.get()), (2, 0));
    assert_eq!(watched.overrides.last_reload(), reload(false));
    std::fs::write(&path, "").unwrap();
    assert_eq!((watched.look().await, watched.look().await), (Next::Soon, Next::Usual));
    assert_eq!((watched.of("b"), watched.successful.get()), (0, 1));
    assert_eq!(watched.overrides.last_reload(), reload(true));
}
