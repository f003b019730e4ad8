use expect_test::{Expect, expect};

use super::*;

const OLD: Shown = Shown::Float(1.0f64.to_bits());
const NEW: Shown = Shown::Float(2.5f64.to_bits());

fn check(cause: Cause, kind: ErrorKind, reason: &str, text: Expect) {
    let labels = Labels::from_pairs([("__name__", "m"), ("job", "t")]);
    let mut refusals = Refusals::default();
    refusals.add(3, cause, 2, || Some(labels));
    refusals.add(3, Cause::Full, 5, || None);
    let refused = refusals.into_inner();
    assert_eq!(refused.len(), 1, "one for each item");
    assert_eq!((refused[0].item, refused[0].rows, refused[0].kind, refused[0].reason.as_str()), (3, 7, kind, reason));
    text.assert_eq(&refused[0].text);
}

#[test]
fn out_of_order() {
    check(
        Cause::OutOfOrder { t: 1_768_471_200_000, new: NEW, newest: 1_768_471_260_000, old: OLD },
        ErrorKind::BadInput,
        "sample-out-of-order",
        expect![[
            r#"the sample has been rejected because another sample with a more recent timestamp has already been ingested and out-of-order samples are not allowed (err-mimir-sample-out-of-order). The affected sample has timestamp 2026-01-15T10:00:00Z and is from series {__name__="m", job="t"}. Its value is 2.5, the newest sample of the series has timestamp 2026-01-15T10:01:00Z and value 1"#
        ]],
    );
}

#[test]
fn too_old() {
    check(
        Cause::TooOld { t: 1, new: NEW, newest: 1_768_471_260_000, old: Shown::Histogram },
        ErrorKind::BadInput,
        "sample-timestamp-too-old",
        expect![[
            r#"the sample has been rejected because its timestamp is too old (err-mimir-sample-timestamp-too-old). The affected sample has timestamp 1970-01-01T00:00:00.001Z and is from series {__name__="m", job="t"}. Its value is 2.5, the newest sample of the series has timestamp 2026-01-15T10:01:00Z and value a native histogram"#
        ]],
    );
}

#[test]
fn duplicate() {
    check(
        Cause::Duplicate { t: 1_768_471_200_120, new: NEW, old: OLD },
        ErrorKind::BadInput,
        "new-value-for-timestamp",
        expect![[
            r#"the sample has been rejected because another sample with the same timestamp, but a different value, has already been ingested (err-mimir-sample-duplicate-timestamp). The affected sample has timestamp 2026-01-15T10:00:00.12Z and is from series {__name__="m", job="t"}. Its value is 2.5, the value that is stored at that timestamp is 1"#
        ]],
    );
}

#[test]
fn active_series() {
    check(
        Cause::ActiveSeries { limit: 3 },
        ErrorKind::RateLimited,
        "per_user_active_series_limit",
        expect![[
            r#"the series has been rejected because the tenant exceeded the active series limit, set to 3 (err-mimir-max-active-series). To adjust the related per-tenant limit, configure -distributor.max-active-series-per-user, or contact your service administrator."#
        ]],
    );
}

#[test]
fn series_per_user() {
    check(
        Cause::SeriesPerUser { limit: 3 },
        ErrorKind::LimitExceeded,
        "per_user_series_limit",
        expect![
            "per-user series limit of 3 exceeded (err-mimir-max-series-per-user). To adjust the related per-tenant limit, configure -ingester.max-global-series-per-user, or contact your service administrator."
        ],
    );
}

#[test]
fn series_per_metric() {
    check(
        Cause::SeriesPerMetric { limit: 2 },
        ErrorKind::LimitExceeded,
        "per_metric_series_limit",
        expect![[
            r#"per-metric series limit of 2 exceeded (err-mimir-max-series-per-metric). To adjust the related per-tenant limit, configure -ingester.max-global-series-per-metric, or contact your service administrator. This is for series {__name__="m", job="t"}"#
        ]],
    );
}

#[test]
fn times() {
    let print = |ms: i64| Rfc3339(ms).to_string();
    assert_eq!(print(0), "1970-01-01T00:00:00Z");
    assert_eq!(print(-1), "1969-12-31T23:59:59.999Z");
    assert_eq!(print(951_782_400_000), "2000-02-29T00:00:00Z");
    assert_eq!(print(4_102_444_800_000), "2100-01-01T00:00:00Z");
    assert_eq!(print(1_709_251_199_900), "2024-02-29T23:59:59.9Z");
    // No year is too far to be printed.
    assert!(!print(i64::MIN).is_empty() && !print(i64::MAX).is_empty());
}
