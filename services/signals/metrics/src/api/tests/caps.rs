use super::*;

#[tokio::test]
async fn lists_are_as_long_as_the_limits_of_the_tenant_say() {
    let server = Server::with(MetricsLimits {
        max_series_query_limit: 1,
        cardinality_analysis_enabled: true,
        cardinality_analysis_max_results: 5,
        ..MetricsLimits::default()
    });
    for asked in ["", "&limit=2"] {
        let (status, body) = server.get_as("limited", &format!("series?match[]=up{asked}")).await;
        assert_eq!((status, body.matches("__name__").count()), (StatusCode::OK, 1), "{body}");
        assert!(body.ends_with(r#""warnings":["results truncated due to limit"]}"#), "{body}");
    }
    let (status, body) = server.get_as("limited", "cardinality/label_names?limit=6").await;
    assert_eq!((status, body.as_str()), (StatusCode::BAD_REQUEST, "'limit' param cannot be greater than '5'\n"));
    assert_eq!(server.get_as("limited", "cardinality/label_names?limit=5").await.0, StatusCode::OK);
}
