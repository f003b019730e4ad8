//! What a sample takes in a block, by encoding, and how fast each decodes: `cargo run --release -p quartet-metrics --example encodings [SAMPLES]`.
//!
//! Series of SAMPLES samples each (default 5,760: a day at 15 s), made by rule from a fixed seed: counters, buckets of histograms, gauges with
//! few decimals, walks, constants, full doubles. Each encoding makes chunks of them, which stand in pages of 64 KiB before zstd as in a
//! block; the column shows bytes for each sample, pages and lengths included. `parquet` is the plain form: columns of series number, time
//! and value, as an export writes them. The weights of the last line stand for a cluster that is scraped by Prometheus.

mod data;
mod forms;

use std::hint::black_box;
use std::time::Instant;

use quartet_metrics::model::Sample;

use crate::data::Family;
use crate::forms::Form;

const PAGE: usize = 64 << 10;

fn main() {
    let samples = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5760);
    let families = data::families(samples);
    let forms = forms::all();
    let head: String = forms.iter().map(|form| format!("{:>10}", form.name)).collect();
    println!("bytes for each sample, {samples} samples a series\n{:18}{:>6}{head}", "", "weight");
    let mut sums = vec![Sums::default(); forms.len()];
    for family in &families {
        print!("{:18}{:>6}", family.name, family.weight);
        for (form, sum) in forms.iter().zip(&mut sums) {
            let measured = measure(form, family);
            sum.add(&measured, f64::from(family.weight));
            print!("{:>10.3}", measured.bytes);
        }
        println!();
    }
    let line = |title: &str, of: fn(&Sums) -> f64, digits: usize| {
        let cells: String = sums.iter().map(|sum| format!("{:>10.digits$}", of(sum))).collect();
        println!("{title:24}{cells}");
    };
    line("weighted", |sum| sum.bytes / sum.weight, 3);
    line("decodes, M samples/s", |sum| sum.weight / sum.decode / 1e6, 0);
    line("encodes, M samples/s", |sum| sum.weight / sum.encode / 1e6, 1);
}

/// For each sample of a family: bytes, and seconds of one core.
struct Measured {
    bytes: f64,
    encode: f64,
    decode: f64,
}

#[derive(Clone, Default)]
struct Sums {
    weight: f64,
    bytes: f64,
    encode: f64,
    decode: f64,
}

impl Sums {
    fn add(&mut self, one: &Measured, weight: f64) {
        self.weight += weight;
        self.bytes += one.bytes * weight;
        self.encode += one.encode * weight;
        self.decode += one.decode * weight;
    }
}

fn measure(form: &Form, family: &Family) -> Measured {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let samples = family.series.iter().map(Vec::len).sum::<usize>() as f64;
    let begun = Instant::now();
    let files = (form.encode)(&family.series);
    let pages: Vec<(Vec<u8>, usize)> = files.pages(PAGE);
    let encode = begun.elapsed().as_secs_f64();
    let bytes: usize = pages.iter().map(|(page, _)| page.len()).sum();
    let mut decompressor = zstd::bulk::Decompressor::new().expect("zstd has memory");
    let mut into: Vec<Sample> = Vec::with_capacity(8192);
    let (begun, mut rounds) = (Instant::now(), 0u32);
    while rounds < 3 || begun.elapsed().as_millis() < 60 {
        rounds += 1;
        for (page, raw) in &pages {
            match form.decode {
                forms::Decode::Chunks(decode) => {
                    let page = decompressor.decompress(page, *raw).expect("it was compressed above");
                    forms::values(&page).for_each(|chunk| {
                        into.clear();
                        decode(chunk, &mut into);
                        black_box(&into);
                    });
                }
                forms::Decode::Whole(decode) => decode(page, &mut into),
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    Measured {
        bytes: bytes as f64 / samples,
        encode: encode / samples,
        decode: begun.elapsed().as_secs_f64() / f64::from(rounds) / samples,
    }
}
