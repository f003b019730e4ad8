//! Differences that are decided, or that no client notices. `docs/compatibility.md` has the reasons of the first.

use super::request::Ask;
use crate::http::Answer;

/// Whether a difference of this kind is one that is wanted.
pub(super) fn decided(ask: &Ask, kind: &str, expected: &Answer) -> bool {
    let query = ask.query.as_deref().unwrap_or_default();
    // Of several series that match, those are named that come first in the order of labels; a head of Prometheus has the order of arrival.
    let which_series = kind == "error" && expected.text().contains("found duplicate series for the match group");
    // Start timestamps are not kept; Prometheus has no value where it was not told to keep them, the recorded answers and scripts have 0.
    let starts = query.contains("start_timestamp");
    // The tree is that of the recorded answers, without the members of duration expressions.
    let tree = ask.endpoint == "parse_query" && kind == "data";
    // Which series are first is free.
    let chosen = ["limitk", "limit_ratio"].iter().any(|name| query.contains(name)) && kind != "status";
    which_series || starts || tree || chosen
}
