//! What functions over ranges compute: loops over slices of samples.
//!
//! This is the hot path of most queries: no allocation per window beyond what a caller's buffer grows to, no lookups, no logging.

mod rate;
mod regression;
mod statistics;
mod windows;

pub(crate) use rate::{Rate, instant_delta, instant_rate, rate, transitions};
pub(crate) use regression::{derivative, predict, smoothed};
pub(crate) use statistics::{extreme, mean, median_deviation, sum, values_into, variance};
pub(crate) use windows::Each;

#[cfg(test)]
mod tests;
