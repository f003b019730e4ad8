use super::{LabelPolicies, PolicyError};
use crate::TenantId;

fn parse(values: &[&str]) -> Result<LabelPolicies, PolicyError> {
    LabelPolicies::parse(values.iter().map(|value| value.as_bytes()))
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

#[test]
fn selectors_are_decoded_and_grouped_by_tenant() {
    let policies = parse(&["a:%7Benv%3D%22dev%22%7D, b:%7Bx%3D~%22a%2Cb+c%22%7D", "a:{env=\"prod\"}"]).unwrap();
    assert_eq!(policies.of(&tenant("a")), ["{env=\"dev\"}", "{env=\"prod\"}"]);
    assert_eq!(policies.of(&tenant("b")), ["{x=~\"a,b c\"}"]);
    assert!(policies.of(&tenant("c")).is_empty());
    assert!(!policies.is_empty());
    assert!(parse(&[]).unwrap().is_empty());
}

#[test]
fn malformed_headers_are_refused() {
    let shape = |policy: &str| Err(PolicyError::Shape { policy: policy.to_owned() });
    assert_eq!(parse(&[""]), shape(""));
    assert_eq!(parse(&["a"]), shape("a"));
    assert_eq!(parse(&["a:"]), shape("a:"));
    assert_eq!(parse(&["a:%7Bx%3D%221%22%7D,"]), shape(""));
    assert_eq!(parse(&["a:%7"]), Err(PolicyError::Encoding { policy: "a:%7".to_owned() }));
    assert_eq!(parse(&["a:%ff"]), Err(PolicyError::Encoding { policy: "a:%ff".to_owned() }));
    assert!(matches!(parse(&["a/b:%7B%7D"]), Err(PolicyError::Tenant(_))));
}
