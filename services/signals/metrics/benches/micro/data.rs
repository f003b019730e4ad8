//! Series as exporters behind Kubernetes have them, and values as series take them.

use quartet_metrics::model::Sample;
use quartet_metrics::wire::codec::{put_bytes, put_varint};

/// When everything begins, ms since the Unix epoch.
pub(crate) const START: i64 = 1_768_471_200_000;
/// Time between two scrapes, ms.
pub(crate) const INTERVAL: i64 = 15_000;

/// The labels of a series, sorted by name.
pub(crate) fn labels(series: usize) -> [(&'static str, String); 8] {
    [
        ("__name__", format!("http_requests_{}_total", series % 100)),
        ("container", "app".to_owned()),
        ("instance", format!("10.0.{}.{}:9090", series / 1000 % 200, series / 100 % 250)),
        ("job", "kubernetes-pods".to_owned()),
        ("method", ["GET", "PUT", "POST"][series % 3].to_owned()),
        ("namespace", format!("team-{}", series / 7 % 20)),
        ("pod", format!("app-{:x}-{}", (series / 100).wrapping_mul(0x9e37_79b9), series / 100)),
        ("status", ["200", "404", "500"][series / 3 % 3].to_owned()),
    ]
}

/// Samples of a series: half of all series are counters, the others gauges of whole numbers, of decimals, and constants.
pub(crate) fn samples(series: usize, count: usize) -> Vec<Sample> {
    let mut random = Random(series as u64 + 1);
    let mut v = 0.0;
    let times = (START..).step_by(15_000).take(count);
    times
        .map(|t| {
            v = match series % 8 {
                0..4 => v + random.below(200),
                4 => random.below(50),
                5 => random.below(10_000) / 100.0,
                6 => random.below(1_000_000) / 1e6,
                _ => 1.0,
            };
            Sample { t, v }
        })
        .collect()
}

/// A `prometheus.TimeSeries` with one sample.
pub(crate) fn item(series: usize, sample: Sample) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in labels(series) {
        let mut label = Vec::new();
        field(&mut label, 1, name.as_bytes());
        field(&mut label, 2, value.as_bytes());
        field(&mut out, 1, &label);
    }
    field(&mut out, 2, &sample_message(sample));
    out
}

/// A `prometheus.Sample`; that of remote write 2.0 is the same.
pub(crate) fn sample_message(sample: Sample) -> Vec<u8> {
    let mut message = vec![1 << 3 | 1];
    message.extend(sample.v.to_bits().to_le_bytes());
    message.push(2 << 3);
    put_varint(&mut message, sample.t.cast_unsigned());
    message
}

/// A field of bytes.
pub(crate) fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    put_bytes(out, bytes);
}

/// Numbers that look random: SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u32) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).expect("32 bits are left") % bound)
    }
}
