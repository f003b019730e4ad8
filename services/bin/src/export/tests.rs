use super::Order;

fn parse(line: &str) -> Option<(Order, Vec<String>)> {
    Order::parse(line.split(' ').map(str::to_owned))
}

#[test]
fn an_order_and_its_settings_are_told_apart() {
    let out = Order { output: "out".into(), ..Order::default() };
    assert_eq!(parse("out"), Some((out.clone(), vec![])));
    let line = r#"out --tenant a --match={job="x"} --storage.url=s3://b --match up --start=0 --end 2026-01-01T00:00:00Z"#;
    let order = Order {
        tenant: "a".to_owned(),
        start: Some("0".to_owned()),
        end: Some("2026-01-01T00:00:00Z".to_owned()),
        selectors: vec![r#"{job="x"}"#.to_owned(), "up".to_owned()],
        ..out
    };
    assert_eq!(parse(line), Some((order, vec!["--storage.url=s3://b".to_owned()])));
    assert_eq!(parse("--tenant=a"), None, "without a place to write to");
    assert_eq!(parse("out --start"), None);
}

#[test]
fn a_file_is_told_from_a_directory_by_its_name() {
    let is_file = |line: &str| parse(line).unwrap().0.is_file();
    assert!(is_file("x/all.parquet"));
    assert!(!is_file("x/parquet"));
}
