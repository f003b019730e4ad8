use super::*;

fn access(header: &str, tenants: &str) -> Result<Access, AccessError> {
    Access::of(&LabelPolicies::parse([header.as_bytes()]).unwrap(), &Tenants::parse(tenants).unwrap())
}

#[test]
fn only_policies_of_the_tenants_that_ask_count() {
    let access = access("a:{x=\"1\"},b:{y=\"2\"}", "a").unwrap();
    assert_eq!(access.sets(&TenantId::parse("a").unwrap()).len(), 1);
    assert!(access.sets(&TenantId::parse("b").unwrap()).is_empty());
    assert!(!access.is_unlimited());
}

#[test]
fn what_is_no_selector_is_refused() {
    assert!(access("a:{x", "a").unwrap_err().to_string().starts_with("invalid label policy \"{x\": "));
    assert!(access("a:{x=~\"(\"}", "a").is_err());
    // Nobody asks for this tenant's data.
    assert!(access("b:{x", "a").is_ok());
}
