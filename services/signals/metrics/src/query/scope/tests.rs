use syntax::MatchOp;
use tenancy::LabelPolicies;

use super::*;

fn scope(tenants: &str, policies: &str) -> Scope {
    let tenants = Tenants::parse(tenants).unwrap();
    let headers = (!policies.is_empty()).then_some(policies.as_bytes());
    let access = Access::of(&LabelPolicies::parse(headers).unwrap(), &tenants).unwrap();
    Scope::new(tenants, access)
}

fn equal(name: &str, value: &str) -> LabelMatcher {
    LabelMatcher::new(name, MatchOp::Equal, value)
}

fn selected(scope: &Scope, matchers: &[LabelMatcher]) -> Vec<(String, String)> {
    let shown = |matchers: Vec<LabelMatcher>| matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    scope.select(matchers).unwrap().into_iter().map(|part| (part.tenant.to_string(), shown(part.matchers))).collect()
}

fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(tenant, matchers)| ((*tenant).to_owned(), (*matchers).to_owned())).collect()
}

#[test]
fn one_tenant_has_no_label_of_its_own() {
    let scope = scope("a", "");
    assert_eq!(selected(&scope, &[equal(TENANT_LABEL, "b")]), pairs(&[("a", r#"__tenant_id__="b""#)]));
    let labels = Labels::from_pairs([("x", "1")]);
    assert_eq!(scope.label(scope.tenants().first(), labels.clone()), labels);
}

#[test]
fn matchers_on_the_tenant_choose_tenants() {
    let scope = scope("a|b", "");
    assert_eq!(selected(&scope, &[equal("x", "1")]), pairs(&[("a", r#"x="1""#), ("b", r#"x="1""#)]));
    assert_eq!(selected(&scope, &[equal("x", "1"), equal(TENANT_LABEL, "b")]), pairs(&[("b", r#"x="1""#)]));
    assert_eq!(selected(&scope, &[equal(ORIGINAL_TENANT_LABEL, "z"), equal(TENANT_LABEL, "a")]), pairs(&[("a", r#"__tenant_id__="z""#)]));
    assert_eq!(selected(&scope, &[equal(TENANT_LABEL, "c")]), pairs(&[]));
    assert!(scope.select(&[LabelMatcher::new(TENANT_LABEL, MatchOp::Regex, "(")]).is_err());
    // Of a set that no tenant meets nothing is left, not everything.
    assert_eq!(scope.sets(&[vec![equal(TENANT_LABEL, "c")]]).unwrap(), []);
    assert_eq!(scope.sets(&[]).unwrap().len(), 2);
}

#[test]
fn a_label_of_that_name_gets_another() {
    let scope = scope("a|b", "");
    let labels = scope.label(scope.tenants().first(), Labels::from_pairs([(TENANT_LABEL, "own"), ("x", "1")]));
    assert_eq!(labels, Labels::from_pairs([(TENANT_LABEL, "a"), (ORIGINAL_TENANT_LABEL, "own"), ("x", "1")]));
}

#[test]
fn policies_of_a_tenant_are_alternatives() {
    let scope = scope("a|b", "a:{p=\"1\"},a:{q=\"2\"},c:{r=\"3\"}");
    let parts = selected(&scope, &[equal("x", "1")]);
    assert_eq!(parts, pairs(&[("a", r#"x="1",p="1""#), ("a", r#"x="1",q="2""#), ("b", r#"x="1""#)]));
    assert_eq!(scope.sets(&[]).unwrap()[0].matchers, [vec![equal("p", "1")], vec![equal("q", "2")]]);
}
