//! What functions over ranges compute: loops over slices of samples.
//!
//! This is the hot path of most queries: no allocation per window beyond what a caller's buffer grows to, no lookups, no logging.

mod extended;
mod extended_histograms;
mod histogram_rate;
mod mixed;
mod rate;
mod regression;
mod started;
mod statistics;
mod transitions;
mod windows;

pub(crate) use extended::{Bordered, smoothed_value};
pub(crate) use extended_histograms::{BorderedHistograms, anchored_transitions, smoothed_histogram};
pub(crate) use histogram_rate::{mixed_instant_change, mixed_rate, resets};
pub(crate) use mixed::{EachMixed, MixedWindow, Remark, Remarks, histogram_value};
pub(crate) use rate::{Rate, instant_delta, instant_rate, range_seconds, rate, transitions};
pub(crate) use regression::{derivative, predict, smoothed};
pub(crate) use started::started_resets;
pub(crate) use statistics::{extreme, mean, median_deviation, sum, values_into, variance};
pub(crate) use transitions::{Neighbours, is_change, is_reset};
pub(crate) use windows::Each;

#[cfg(test)]
mod tests;
