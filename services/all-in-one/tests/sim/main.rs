//! Deterministic simulation of ring, replication, read path and catalog: promise 1 under joins, leaves, crashes, partitions, stale
//! views and a store that fails or loses its answers.
//!
//! Real are the views of the ring, the distributor's replication, the querier's leaves, the catalog with its announcements, and the
//! leader's office with its plans. Models are gossip, network, store, and the processes of ingester and store-gateway; the signal is
//! a set of rows. A schedule follows from its seed alone: `QUARTET_SIM_SEED=7` runs that one and shows what happened,
//! `QUARTET_SIM_SCHEDULES=10000` runs as many.

mod checks;
mod cluster;
mod ingester;
mod process;
mod schedule;
mod settings;
mod signal;

use std::sync::atomic::{AtomicU64, Ordering};

use checks::Figures;
use cluster::ZONES;
use parking_lot::Mutex;
use ring::{RingSettings, ViewBuilder};
use schedule::Report;

/// Schedules of a run that nobody asked for more.
const SCHEDULES: u64 = 1000;

/// Failed schedules that are enough to stop.
const ENOUGH: usize = 5;

fn builder() -> ViewBuilder {
    ViewBuilder::new(RingSettings { replication_factor: 3, zones: ZONES.iter().map(|zone| (*zone).to_owned()).collect() })
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

/// One schedule on a runtime of its own, whose time passes only when all wait.
fn run(seed: u64, builder: ViewBuilder) -> (Report, ViewBuilder) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(Box::pin(schedule::run(seed, builder, crate::builder())))
}

/// Runs the seeds from `first` on, several at once; stops when enough have failed.
fn run_all(first: u64, count: u64) -> (Figures, Vec<(u64, Report)>) {
    let next = AtomicU64::new(first);
    let done = Mutex::new((Figures::default(), Vec::new()));
    let work = || {
        let mut views = Some(builder());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count || done.lock().1.len() >= ENOUGH {
                return;
            }
            let (report, kept) = run(seed, views.take().unwrap_or_else(builder));
            views = Some(kept);
            let (figures, failed) = &mut *done.lock();
            *figures += report.figures;
            if !report.violations.is_empty() {
                failed.push((seed, report));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let (figures, mut failed) = done.into_inner();
    failed.sort_by_key(|(seed, _)| *seed);
    (figures, failed)
}

fn explain(seed: u64, report: &Report) -> String {
    let Report { violations, trace, .. } = report;
    format!("QUARTET_SIM_SEED={seed}\n{}\n{}", trace.join("\n"), violations.join("\n"))
}

#[test]
fn an_acknowledged_write_is_answered_once() {
    if let Some(seed) = number("QUARTET_SIM_SEED") {
        let (report, _) = run(seed, builder());
        println!("{}\n{}", explain(seed, &report), report.figures);
        assert!(report.violations.is_empty(), "seed {seed} has failed");
        return;
    }
    let count = number("QUARTET_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let (figures, failed) = run_all(1, count);
    println!("{count} schedules: {figures}");
    for (seed, report) in &failed {
        println!("seed {seed}: {}", report.violations.join("; "));
    }
    if let Some((seed, report)) = failed.first() {
        panic!("promise 1 is broken:\n{}", explain(*seed, report));
    }
    assert!(figures.answered > 2 * figures.errors, "too little was answered: {figures}");
    assert!(figures.merged_blocks >= count, "too little was merged: {figures}");
}

#[test]
fn a_seed_is_a_history() {
    for seed in [1, 2] {
        let (first, views) = run(seed, builder());
        let (again, _) = run(seed, views);
        assert_eq!(first.trace, again.trace, "seed {seed}");
        assert_eq!(first.figures.to_string(), again.figures.to_string(), "seed {seed}");
    }
}
