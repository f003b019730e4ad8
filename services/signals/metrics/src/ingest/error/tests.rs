use expect_test::{Expect, expect};

use super::*;

fn check(err: PushError, status: u16, text: Expect) {
    assert_eq!(err.status().as_u16(), status);
    text.assert_eq(&err.to_string());
}

#[test]
fn rates() {
    check(
        PushError::RequestRate { rate: 5.0, burst: 10 },
        429,
        expect![[
            r#"the request has been rejected because the tenant exceeded the request rate limit, set to 5 requests/s across all distributors with a maximum allowed burst of 10 (err-mimir-tenant-max-request-rate). To adjust the related per-tenant limits, configure -distributor.request-rate-limit and -distributor.request-burst-size, or contact your service administrator."#
        ]],
    );
    check(
        PushError::IngestionRate { rate: 0.001, burst: 10 },
        429,
        expect![[
            r#"the request has been rejected because the tenant exceeded the ingestion rate limit, set to 0.001 items/s with a maximum allowed burst of 10. This limit is applied on the total number of samples, exemplars and metadata received across all distributors (err-mimir-tenant-max-ingestion-rate). To adjust the related per-tenant limits, configure -distributor.ingestion-rate-limit and -distributor.ingestion-burst-size, or contact your service administrator."#
        ]],
    );
    check(
        PushError::IngestionBurst { burst: 10, items: 20 },
        429,
        expect![[
            r#"the request has been rejected because the tenant exceeded the ingestion burst size limit, set to 10, with 20 items. This limit is applied on the total number of samples, exemplars and metadata received across all distributors (err-mimir-tenant-max-ingestion-rate). To adjust the related per-tenant limits, configure -distributor.ingestion-rate-limit and -distributor.ingestion-burst-size, or contact your service administrator."#
        ]],
    );
}

#[test]
fn active_series() {
    check(
        PushError::ActiveSeries { limit: 3, rejected: 2, total: 5 },
        429,
        expect![[
            r#"the request has been rejected because the tenant exceeded the active series limit, set to 3. 2 series were rejected from this request of a total of 5 (err-mimir-max-active-series). To adjust the related per-tenant limit, configure -distributor.max-active-series-per-user, or contact your service administrator."#
        ]],
    );
}

#[test]
fn a_tenants_clients_may_be_told_of_overload() {
    let limits = MetricsLimits { service_overload_status_code_on_rate_limit_enabled: true, ..MetricsLimits::default() };
    let told = PushError::RequestRate { rate: 5.0, burst: 10 }.of_rate(&limits);
    assert_eq!(told.to_string(), PushError::RequestRate { rate: 5.0, burst: 10 }.to_string());
    let answer = told.response(1, 0);
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key(header::RETRY_AFTER)), (529, true));
    assert_eq!(PushError::RequestRate { rate: 5.0, burst: 10 }.of_rate(&MetricsLimits::default()).status().as_u16(), 429);
}

#[test]
fn bodies() {
    check(PushError::Corrupt, 400, expect!["snappy: corrupt input"]);
    check(PushError::Protobuf(ProtobufError::Short), 400, expect!["unexpected EOF"]);
    check(
        PushError::TooLarge { size: 200, limit: 100 },
        400,
        expect![
            "the incoming push request has been rejected because its message size of 200 bytes is larger than the allowed limit of 100 bytes (err-mimir-distributor-max-write-message-size). To adjust the related limit, configure -distributor.max-recv-msg-size, or contact your service administrator."
        ],
    );
    check(
        PushError::MediaType { got: "text/plain".to_owned() },
        415,
        expect!["expected application/x-protobuf as the first (media) part, got text/plain content-type"],
    );
    check(
        PushError::Encoding { got: "gzip".to_owned() },
        415,
        expect!["gzip encoding (compression) is not accepted by this server; only snappy is acceptable"],
    );
}

#[test]
fn limits_of_a_process_and_of_pairs() {
    let busy = tenancy::Budget::process("test", Some(1)).reserve(2).unwrap_err();
    check(
        PushError::Busy(busy),
        503,
        expect![
            "the write request has been rejected because the distributor exceeded the allowed total size in bytes of inflight push requests (err-mimir-distributor-max-inflight-push-requests-bytes). To adjust the related limit, configure -distributor.instance-limits.max-inflight-push-requests-bytes, or contact your service administrator."
        ],
    );
    check(
        PushError::RequestTooLarge { protocol: Protocol::Influx, size: Some(200), limit: 100 },
        413,
        expect![
            "the incoming Influx request has been rejected because its message size of 200 bytes is larger than the allowed limit of 100 bytes (err-mimir-distributor-max-influx-request-size). To adjust the related limit, configure -distributor.max-influx-request-size, or contact your service administrator."
        ],
    );
    check(
        HaRefusal::TooManyClusters { limit: 100 }.into(),
        400,
        expect![
            "the write request has been rejected because the maximum number of high-availability (HA) clusters has been reached for this tenant (limit: 100) (err-mimir-tenant-too-many-ha-clusters). To adjust the related per-tenant limit, configure -distributor.ha-tracker.max-clusters, or contact your service administrator."
        ],
    );
}

#[test]
fn limits_of_an_ingester() {
    let overloaded = |limit| Some(Overloaded { ingester: "ingester-a-0".to_owned(), limit });
    check(
        WriteError { overloaded: overloaded(InstanceLimit::Series), ..WriteError::new(ErrorKind::Unavailable, "full") }.into(),
        503,
        expect![
            "failed pushing to ingester ingester-a-0: the write request has been rejected because the ingester exceeded the allowed number of in-memory series (err-mimir-ingester-max-series). To adjust the related limit, configure -ingester.instance-limits.max-series, or contact your service administrator."
        ],
    );
    for (limit, text) in [
        (InstanceLimit::IngestionRate, "the samples ingestion rate limit (err-mimir-ingester-max-ingestion-rate)"),
        (InstanceLimit::Tenants, "the allowed number of tenants (err-mimir-ingester-max-tenants)"),
        (InstanceLimit::InflightPushes, "the allowed number of inflight push requests (err-mimir-ingester-max-inflight-push-requests)"),
        (
            InstanceLimit::InflightPushBytes,
            "the allowed total size in bytes of inflight push requests (err-mimir-ingester-max-inflight-push-requests-bytes)",
        ),
    ] {
        let id = text.rsplit_once("(err-mimir-ingester-").map(|(_, id)| id.trim_end_matches(')')).unwrap();
        let whole = format!(
            "the write request has been rejected because the ingester exceeded {text}. To adjust the related limit, configure \
             -ingester.instance-limits.{id}, or contact your service administrator."
        );
        assert_eq!(ingester_text(limit), whole);
    }
}

#[test]
fn every_kind_of_write_error_has_a_status() {
    let status = |kind| PushError::from(WriteError::new(kind, "")).status().as_u16();
    assert_eq!(status(ErrorKind::Unavailable), 503);
    assert_eq!(status(ErrorKind::Timeout), 500);
    assert_eq!(status(ErrorKind::RateLimited), 429);
    assert_eq!(status(ErrorKind::Cancelled), 499);
    assert_eq!(status(ErrorKind::Internal), 500);
    assert_eq!(status(ErrorKind::Unsupported), 501);
    assert_eq!(status(ErrorKind::LimitExceeded), 400);
}

#[test]
fn only_what_may_pass_later_says_when_to_come_again() {
    let retry = |err: PushError| err.response(1, 0).headers().get(header::RETRY_AFTER).is_some();
    assert!(retry(PushError::IngestionBurst { burst: 1, items: 2 }));
    assert!(retry(PushError::Write(WriteError::new(ErrorKind::Unavailable, ""))));
    assert!(!retry(PushError::Corrupt));
}

#[test]
fn waits_grow_and_stay_in_their_bounds() {
    for attempt in 0..40 {
        for jitter in 0..200 {
            let seconds = retry_after(attempt, jitter);
            assert!((6..=96).contains(&seconds), "{seconds}");
        }
    }
    assert_eq!(retry_after(1, 0), 6);
    assert_eq!(retry_after(3, 12), 24);
    assert_eq!(retry_after(5, 96), 96);
}
