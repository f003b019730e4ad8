use tenancy::Tenants;
use tenancy::http::{AuthConfig, Door};
use tonic::service::Interceptor;
use tonic::{Code, Request};

use super::CallDoor;

fn call(auth: &AuthConfig, tenant: Option<&'static str>) -> Result<Request<()>, tonic::Status> {
    let mut request = Request::new(());
    if let Some(tenant) = tenant {
        request.metadata_mut().insert("x-scope-orgid", tenant.parse().expect("ASCII"));
    }
    CallDoor::new(Door::new(auth).expect("a good configuration")).call(request)
}

#[test]
fn a_call_names_its_tenant_in_the_metadata() {
    let request = call(&AuthConfig::default(), Some("team-a")).expect("a tenant is named");
    let tenants = request.extensions().get::<Tenants>().expect("the door left it there");
    assert_eq!(tenants.single().expect("one tenant").as_str(), "team-a");
}

#[test]
fn a_call_without_a_tenant_is_not_authenticated() {
    let refused = call(&AuthConfig::default(), None).expect_err("no tenant");
    assert_eq!((refused.code(), refused.message()), (Code::Unauthenticated, "no org id"));
    assert_eq!(call(&AuthConfig::default(), Some("a/b")).expect_err("a bad name").code(), Code::InvalidArgument);
}

#[test]
fn without_authentication_every_call_is_anonymous() {
    let auth = AuthConfig { enabled: false, ..AuthConfig::default() };
    let request = call(&auth, None).expect("nobody is asked");
    assert_eq!(request.extensions().get::<Tenants>().and_then(|all| all.single().ok()).map(|one| one.as_str()), Some("anonymous"));
}
