use tenancy::TenantId;

use super::*;

fn origin(headers: &[(&'static str, &'static str)]) -> String {
    let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
    Caller { tenants: TenantId::anonymous().into(), access: Access::default(), headers }.origin()
}

#[test]
fn grafana_says_what_a_query_is_for() {
    assert_eq!(origin(&[]), "");
    assert_eq!(origin(&[("x-panel-id", "7"), ("x-dashboard-uid", "cluster"), ("x-other", "y")]), "dashboard=cluster panel=7");
    assert_eq!(origin(&[("fromalert", "true"), ("x-rule-uid", "r")]), "rule=r");
}
