//! A remote-write 1.0 request: decoded in place and checked against the tenant's limits.
//!
//! Hot file: no allocation per series or sample that is good.

use tenancy::Reservation;

use super::check::{Checked, Checker, Rules};
use super::error::DecodeError;
use super::metadata::RawMetadata;
use super::peek::{Fields, Pair, PairNames, Peek, earliest};
use super::protobuf::Message;
use super::series::RawSeries;

/// Where the times of a request stand.
const FIELDS: Fields = Fields { series: 1, histograms: 4 };

/// Decodes and checks a request. Errors: the body is not a `prometheus.WriteRequest`; nothing of it is used then.
pub(crate) fn check(body: Vec<u8>, rules: Rules<'_>, memory: &mut Reservation) -> Result<Checked, DecodeError> {
    let mut checker = Checker::new(rules, body.len(), memory);
    let mut series = RawSeries::default();
    let mut message = Message::whole(&body);
    let mut exemplars = false;
    while let Some(field) = message.next()? {
        match field.number {
            1 => {
                let place = field.value.bytes("Timeseries")?;
                series.read(&body, place.clone())?;
                if !series.exemplars.is_empty() && !std::mem::replace(&mut exemplars, true) {
                    checker.batch_begins(earliest(&body, FIELDS)?);
                }
                checker.series(&mut series, Some(place))?;
            }
            3 => checker.metadata(RawMetadata::read(&body, field.value.bytes("Metadata")?)?)?,
            _ => {}
        }
    }
    drop(series);
    Ok(checker.finish(body))
}

/// Looks at a request without checking it. Errors: as [`check`], as far as it is looked at.
pub(crate) fn peek(body: &[u8], names: PairNames<'_>) -> Result<Peek, DecodeError> {
    let mut peek = Peek::default();
    let mut first = true;
    let mut message = Message::whole(body);
    while let Some(field) = message.next()? {
        if field.number != 1 {
            continue;
        }
        let place = field.value.bytes("Timeseries")?;
        if std::mem::take(&mut first) {
            let mut series = RawSeries::default();
            series.read(body, place.clone())?;
            peek.pair = Pair::of(&series.labels, names);
        }
        let mut parts = Message::at(body, place);
        while let Some(part) = parts.next()? {
            peek.points += u64::from(matches!(part.number, 2 | 4));
        }
    }
    Ok(peek)
}

#[cfg(test)]
pub(crate) mod tests;
