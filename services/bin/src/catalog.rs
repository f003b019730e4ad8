//! `quartet catalog verify | rebuild`: looks at a bucket whose catalog is in doubt.

use std::process::ExitCode;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use runtime::{Clock, SystemClock};
use storage::catalog::{Catalog, Entry, Rebuilt, Report};

use crate::command;
use crate::config::AllInOneConfig;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Compares the catalog with the blocks in the bucket.
    Verify,
    /// Makes a catalog from the blocks in the bucket.
    Rebuild,
}

impl Order {
    /// The order of `quartet catalog WORD`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "verify" => Some(Self::Verify),
            "rebuild" => Some(Self::Rebuild),
            _ => None,
        }
    }
}

/// Why an order could not be carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogFailed {
    /// The bucket.
    #[error("open storage.url")]
    Open(#[from] storage::bucket::OpenError),
    /// The catalog.
    #[error(transparent)]
    Catalog(#[from] storage::catalog::CatalogError),
}

/// Carries out an order on the bucket that the configuration names.
pub fn run(order: Order, args: impl Iterator<Item = String>) -> ExitCode {
    command::run("catalog", args, async |config| carry_out(order, config).await)
}

async fn carry_out(order: Order, config: &AllInOneConfig) -> Result<ExitCode, CatalogFailed> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bucket = storage::bucket::open(&config.0.storage, &clock, &mut Registry::default())?;
    match order {
        Order::Verify => {
            let report = storage::catalog::verify(&Catalog::new(bucket, &config.0.catalog, clock)).await?;
            println!("{}", verified(&report));
            Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Order::Rebuild => {
            let rebuilt = storage::catalog::rebuild(&*bucket, &config.0.catalog, &*clock).await?;
            println!("{}", made(&rebuilt));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What `verify` found, for people: a line a figure, then a line for each block that needs a look.
fn verified(report: &Report) -> String {
    let mut lines = vec![
        format!(
            "number {}: {} live blocks, {} files of blocks, {} foreign objects",
            report.number, report.live, report.objects, report.foreign
        ),
        format!("{} missing, {} not announced, {} damaged", report.missing.len(), report.unknown.len(), report.damaged.len()),
    ];
    let block = |word: &str, entry: &Entry| format!("{word} {} of {} in {}", entry.id, entry.signal, entry.tenant);
    lines.extend(report.missing.iter().map(|entry| block("missing", entry)));
    lines.extend(report.unknown.iter().map(|entry| block("not announced", entry)));
    lines.extend(report.damaged.iter().map(|key| format!("damaged {key}")));
    lines.join("\n")
}

fn made(rebuilt: &Rebuilt) -> String {
    let Rebuilt { number, live, superseded, deletes, damaged } = rebuilt;
    let mut lines =
        vec![format!("number {number}: {live} live blocks, {superseded} superseded, {deletes} deletes of rows, {} damaged", damaged.len())];
    lines.extend(damaged.iter().map(|key| format!("damaged {key}")));
    lines.join("\n")
}
