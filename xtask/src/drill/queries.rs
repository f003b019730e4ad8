//! Range queries over what the exporter tells, of the kinds that dashboards ask.

use super::api::ApiError;
use super::compare::{Comparison, Tolerance};

use Tolerance::{Bits, Relative};

/// Expression, step in seconds, tolerance.
const QUERIES: [(&str, i64, Tolerance); 26] = [
    ("rate(drill_requests_total{shard=~\"1.\"}[30s])", 5, Bits),
    ("increase(drill_requests_total{path=\"/login\"}[20s])", 5, Bits),
    ("irate(drill_requests_total{code=\"500\"}[15s])", 5, Bits),
    ("delta(drill_temperature_celsius{room=\"7\"}[30s])", 5, Bits),
    ("resets(drill_requests_total{path=\"/\",code=\"200\"}[1m])", 10, Bits),
    ("sum by (code) (rate(drill_requests_total[30s]))", 5, Relative),
    ("sum without (shard, path) (drill_requests_total)", 7, Relative),
    ("avg by (room) (drill_temperature_celsius)", 5, Relative),
    ("max by (room) (drill_temperature_celsius)", 5, Bits),
    ("min by (room) (drill_temperature_celsius)", 5, Bits),
    ("count by (user) (drill_session_bytes)", 2, Bits),
    ("count(drill_flapping)", 1, Bits),
    ("topk(5, drill_temperature_celsius)", 10, Bits),
    ("bottomk(3, drill_temperature_celsius{room=\"3\"})", 10, Bits),
    ("drill_requests_total{shard=\"3\"} offset 20s", 5, Bits),
    ("drill_requests_total{shard=\"4\"} - drill_requests_total{shard=\"4\"} offset 10s", 5, Bits),
    ("sum(rate(drill_requests_total{code=~\"5..\"}[30s])) / sum(rate(drill_requests_total[30s]))", 5, Relative),
    (
        "sum by (le) (rate(drill_latency_seconds_bucket[30s])) / ignoring(le) group_left sum(rate(drill_latency_seconds_count[30s]))",
        10,
        Relative,
    ),
    ("rate(drill_latency_seconds_sum[30s]) / rate(drill_latency_seconds_count[30s])", 10, Bits),
    ("drill_temperature_celsius{room=\"5\"} > 30", 5, Bits),
    ("drill_temperature_celsius{room=\"5\"} > bool 30", 5, Bits),
    ("avg_over_time(drill_temperature_celsius{room=\"9\"}[20s])", 5, Relative),
    ("max_over_time(drill_session_bytes{user=\"u3\"}[15s])", 5, Bits),
    ("last_over_time(drill_flapping[10s])", 3, Bits),
    ("drill_special", 5, Bits),
    ("sum by (role) (up)", 2, Relative),
];

/// Asks all of them.
pub(super) fn ask(comparison: &mut Comparison<'_>) -> Result<(), ApiError> {
    QUERIES.iter().try_for_each(|&(expr, step, tolerance)| comparison.query(expr, Some(step * 1000), tolerance))
}
