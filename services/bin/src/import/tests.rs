use super::Order;

fn parse(line: &str) -> Option<(Order, Vec<String>)> {
    Order::parse(line.split(' ').map(str::to_owned))
}

#[test]
fn an_order_and_its_settings_are_told_apart() {
    let prometheus = |directory: &str, tenant: &str| Order::Prometheus { directory: directory.to_owned(), tenant: tenant.to_owned() };
    assert_eq!(parse("prometheus ./data"), Some((prometheus("./data", "anonymous"), vec![])));
    let settings = vec!["--storage.url=s3://b".to_owned()];
    assert_eq!(parse("prometheus ./data --tenant a --storage.url=s3://b"), Some((prometheus("./data", "a"), settings.clone())));
    assert_eq!(parse("prometheus ./data --storage.url=s3://b --tenant=a"), Some((prometheus("./data", "a"), settings)));
    assert_eq!(parse("mimir s3://old/team-a"), Some((Order::Mimir { url: "s3://old/team-a".to_owned() }, vec![])));
    assert_eq!(parse("mimir s3://old --tenant a"), None, "a bucket of Mimir says itself whose its blocks are");
    assert_eq!(parse("thanos s3://old"), None);
    assert_eq!(parse("prometheus"), None);
}
