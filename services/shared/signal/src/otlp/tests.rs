use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::post;
use http::Method;
use tenancy::Tenants;
use tenancy::http::{AuthConfig, Door};
use tonic::service::Interceptor;
use tonic::{Code, Request};
use tower::ServiceExt;

use super::{CallDoor, OtlpConfig};

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

/// What a browser is told that asks before a push: the allowed origin, and the status of the push itself.
async fn asked(config: &OtlpConfig, origin: &str) -> (Option<String>, u16) {
    let door = Door::new(&AuthConfig::default()).expect("a good configuration");
    let mut routes = crate::Routes::new(door).with_origins(config.origins().expect("good origins"));
    routes.otlp_http(Router::new().route("/v1/metrics", post(async || "pushed")));
    let router = routes.into_parts().0.into_parts().1.remove(super::HTTP_PORT).expect("it is mounted");
    let request = |method: Method| http::Request::builder().method(method).uri("/v1/metrics").header("origin", origin);
    let preflight = request(Method::OPTIONS)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,x-scope-orgid");
    let answer = router.clone().oneshot(preflight.body(Body::empty()).expect("a request")).await.expect("it answers");
    let header = |answer: &Response<Body>, name: &str| answer.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned());
    let allowed = header(&answer, "access-control-allow-origin");
    if allowed.is_some() {
        assert_eq!(header(&answer, "access-control-allow-headers").as_deref(), Some("content-type,x-scope-orgid"));
    }
    let push = request(Method::POST).header("x-scope-orgid", "team").body(Body::empty()).expect("a request");
    let pushed = router.oneshot(push).await.expect("it answers");
    assert_eq!(header(&pushed, "access-control-allow-origin"), allowed);
    (allowed, pushed.status().as_u16())
}

#[tokio::test]
async fn pages_of_allowed_origins_may_push() {
    let config = |origins: &[&str]| OtlpConfig {
        cors_allowed_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        ..OtlpConfig::default()
    };
    let shop = "https://shop.example.com";
    assert_eq!(asked(&config(&["*"]), shop).await, (Some("*".to_owned()), 200));
    assert_eq!(asked(&config(&["http://localhost:3000", shop]), shop).await, (Some(shop.to_owned()), 200));
    assert_eq!(asked(&config(&["http://localhost:3000"]), shop).await, (None, 200), "the browser keeps the answer from the page");
    assert_eq!(asked(&config(&[]), shop).await, (None, 200));
    for bad in ["shop.example.com", "https://shop.example.com/", "https://\n"] {
        let err = config(&[bad]).origins().expect_err("no origin").to_string();
        assert!(err.starts_with("otlp.cors_allowed_origins: "), "{err}");
    }
}
