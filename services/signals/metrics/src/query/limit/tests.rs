use super::*;

#[test]
fn durations_read_as_in_go() {
    for (ms, text) in [(0, "0s"), (250, "250ms"), (1500, "1.5s"), (60_000, "1m0s"), (3_600_000, "1h0m0s"), (90_061_040, "25h1m1.04s")] {
        assert_eq!(GoDuration(Duration::from_millis(ms)).to_string(), text);
    }
}

#[test]
fn texts_name_limit_and_setting() {
    assert_eq!(
        LimitExceeded::Series { limit: 60 }.to_string(),
        "the query exceeded the maximum number of series (limit: 60 series) (err-mimir-max-series-per-query). Consider reducing the time \
         range and/or number of series selected by the query. One way to reduce the number of selected series is to add more label \
         matchers to the query. Otherwise, to adjust the related per-tenant limit, configure -querier.max-fetched-series-per-query, or \
         contact your service administrator."
    );
    let length = LimitExceeded::TotalLength { length: Duration::from_secs(7200), limit: Duration::from_secs(3600) };
    assert_eq!(
        length.to_string(),
        "the total query time range exceeds the limit (query length: 2h0m0s, limit: 1h0m0s) (err-mimir-max-total-query-length). To \
         adjust the related per-tenant limit, configure -query-frontend.max-total-query-length, or contact your service administrator."
    );
    assert_eq!(length.kind(), ErrorKind::BadInput);
}
