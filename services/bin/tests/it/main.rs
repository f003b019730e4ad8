//! What the binaries say about themselves agrees with the documentation.

mod reference;

/// Two settings that would let a querier miss rows are refused together, by name.
#[test]
fn a_grace_below_the_age_of_a_queriers_catalog_is_refused() {
    use quartet::config::Config;
    use runtime::config::{HumanDuration, Tree};

    assert!(Config::default().check().is_ok());
    let mut config = Config::default();
    config.ingester.leave_grace = HumanDuration::from_secs(60);
    let text = config.check().expect_err("less than five minutes").to_string();
    assert!(text.contains("ingester.leave_grace") && text.contains("querier.max_catalog_age"), "{text}");
}
