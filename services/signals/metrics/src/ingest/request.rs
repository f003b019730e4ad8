//! A remote-write 1.0 request: decoded in place and checked against the tenant's limits.
//!
//! Hot file: no allocation per series or sample that is good.

use tenancy::Reservation;

use super::check::{Checked, Checker, Rules};
use super::error::DecodeError;
use super::metadata::RawMetadata;
use super::protobuf::Message;
use super::series::RawSeries;

/// Decodes and checks a request. Errors: the body is not a `prometheus.WriteRequest`; nothing of it is used then.
pub(crate) fn check(body: Vec<u8>, rules: Rules<'_>, memory: &mut Reservation) -> Result<Checked, DecodeError> {
    let mut checker = Checker::new(rules, body.len(), memory);
    let mut series = RawSeries::default();
    let mut message = Message::whole(&body);
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let place = field.value.bytes("Timeseries")?;
                series.read(&body, place.clone())?;
                checker.series(&mut series, Some(place))?;
            }
            3 => checker.metadata(RawMetadata::read(&body, field.value.bytes("Metadata")?)?)?,
            _ => {}
        }
    }
    drop(series);
    Ok(checker.finish(body))
}

#[cfg(test)]
pub(crate) mod tests;
