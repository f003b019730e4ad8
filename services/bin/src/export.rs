//! `quartet export`: writes the metrics of a tenant, out of its blocks, as Parquet that other tools read.
//!
//! Day after day, so that a block of it has to be there for no longer than its day takes: the catalog is read again before each.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use indicatif::ProgressBar;
use metrics::block::BlockError;
use metrics::export::{Day, Samples, Selection, SelectionError, Table, TableError, Written};
use metrics::policy::MetricsPolicy;
use prometheus_client::registry::Registry;
use runtime::{Clock, SystemClock};
use signal::{MergeInput, Policy as _, RowDrop};
use signals::SignalsError;
use storage::bucket::Bucket;
use storage::catalog::{Catalog, CatalogError, Entry};
use storage::time::TimeRange;
use tenancy::{TenantId, TenantIdError};

use crate::command;
use crate::config::AllInOneConfig;

/// How to call it.
pub const USAGE: &str = "usage: quartet export DIRECTORY | FILE.parquet [--tenant NAME] [--start TIME] [--end TIME] [--match SELECTOR]… \
                         [--config FILE] [--section.key=value]";

/// What is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// A file, if the name says that it is Parquet; else a directory for a file a day.
    output: PathBuf,
    /// Whose samples; empty: those of the tenant that is there where tenants are not told apart.
    tenant: String,
    /// The first time, as the API reads it.
    start: Option<String>,
    /// The last time.
    end: Option<String>,
    /// Selectors of series; none: all.
    selectors: Vec<String>,
}

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportFailed {
    /// The name of the tenant.
    #[error("--tenant={name}")]
    Tenant {
        /// What was given.
        name: String,
        /// Why it is none.
        source: TenantIdError,
    },
    /// What is to be written.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The limits of the tenant, which say what its retention leaves.
    #[error(transparent)]
    Limits(#[from] SignalsError),
    /// The bucket.
    #[error("open storage.url")]
    Open(#[from] storage::bucket::OpenError),
    /// The catalog.
    #[error("read the catalog")]
    Catalog(#[from] CatalogError),
    /// A block.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// A file that is written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A table.
    #[error("{}", path.display())]
    Table {
        /// In which file.
        path: PathBuf,
        /// Why.
        source: TableError,
    },
}

impl Order {
    /// The order of `quartet export …`, and the arguments that are settings.
    #[must_use]
    pub fn parse(args: impl Iterator<Item = String>) -> Option<(Self, Vec<String>)> {
        let mut args = args.peekable();
        let output = PathBuf::from(args.next_if(|arg| !arg.starts_with('-'))?);
        let (mut order, mut settings) = (Self { output, ..Self::default() }, Vec::new());
        while let Some(arg) = args.next() {
            let (name, value) = arg.split_once('=').map_or((arg.as_str(), None), |(name, value)| (name, Some(value.to_owned())));
            if !["--tenant", "--start", "--end", "--match"].contains(&name) {
                settings.push(arg);
                continue;
            }
            let value = value.or_else(|| args.next())?;
            match name {
                "--tenant" => order.tenant = value,
                "--start" => order.start = Some(value),
                "--end" => order.end = Some(value),
                _ => order.selectors.push(value),
            }
        }
        Some((order, settings))
    }

    /// True when everything goes into one file.
    fn is_file(&self) -> bool {
        self.output.extension().is_some_and(|extension| extension == "parquet")
    }
}

/// Carries out an order on the bucket that the configuration names.
pub fn run(order: &Order, args: impl Iterator<Item = String>) -> ExitCode {
    command::run("export", args, async |config| carry_out(order, config).await.map(|()| ExitCode::SUCCESS))
}

async fn carry_out(order: &Order, config: &AllInOneConfig) -> Result<(), ExportFailed> {
    let source = Source::open(order, config)?;
    source.catalog.refresh().await?;
    let blocks = source.blocks(TimeRange::ALL);
    let days: BTreeSet<Day> = blocks.iter().flat_map(|entry| days(entry)).filter(|day| source.wanted(*day).is_some()).collect();
    let total = |day: &Day| source.rows_of(*day);
    let progress = command::progress(days.iter().map(total).sum());
    let mut output = Output::create(order)?;
    for day in days {
        progress.set_message(day.to_string());
        source.export(day, &mut output, &progress).await?;
    }
    let (written, files) = output.finish()?;
    progress.finish_and_clear();
    println!("{} samples in {files} files: {}", written.samples, order.output.display());
    Ok(())
}

/// The days of which a block may have samples.
fn days(entry: &Entry) -> impl Iterator<Item = Day> + use<> {
    let day = |ns: i64| Day::of(ns.div_euclid(1_000_000));
    day(entry.facts.range.start).up_to(day(entry.facts.range.end))
}

/// Where samples come from.
struct Source {
    bucket: Arc<dyn Bucket>,
    catalog: Catalog,
    policy: MetricsPolicy,
    clock: Arc<dyn Clock>,
    tenant: TenantId,
    selection: Selection,
}

impl Source {
    fn open(order: &Order, config: &AllInOneConfig) -> Result<Self, ExportFailed> {
        let tenant = match order.tenant.as_str() {
            "" => TenantId::anonymous(),
            name => TenantId::parse(name).map_err(|source| ExportFailed::Tenant { name: name.to_owned(), source })?,
        };
        let selection = Selection::parse(&order.selectors, order.start.as_deref(), order.end.as_deref())?;
        let policy = signals::metrics_policy(&config.0.limits, &config.0.overrides)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let bucket = storage::bucket::open(&config.0.storage, &clock, &mut Registry::default())?;
        let catalog = Catalog::new(bucket.clone(), &config.0.catalog, clock.clone());
        Ok(Self { bucket, catalog, policy, clock, tenant, selection })
    }

    fn blocks(&self, range: TimeRange) -> Vec<Arc<Entry>> {
        self.catalog.map().blocks(&self.tenant, metrics::NAME.as_str(), range)
    }

    /// What is wanted of a day: its first and last ms.
    fn wanted(&self, day: Day) -> Option<(i64, i64)> {
        let (start, end) = day.range();
        self.selection.within(start, end)
    }

    fn blocks_of(&self, day: Day) -> Vec<Arc<Entry>> {
        self.wanted(day).map_or_else(Vec::new, |(start, end)| self.blocks(TimeRange::from_ms(start, end)))
    }

    fn rows_of(&self, day: Day) -> u64 {
        self.blocks_of(day).iter().map(|entry| entry.facts.rows).sum()
    }

    /// Writes what is wanted of a day.
    async fn export(&self, day: Day, output: &mut Output, progress: &ProgressBar) -> Result<(), ExportFailed> {
        let Some(range) = self.wanted(day) else { return Ok(()) };
        self.catalog.refresh().await?;
        let before = progress.position();
        let inputs = self.blocks_of(day).iter().map(|entry| self.input(entry)).collect();
        let mut samples = Samples::open(inputs, &self.selection, range).await?;
        while let Some(series) = samples.next_series().await? {
            output.of(day)?.push(&series)?;
            progress.set_position(before + samples.read());
        }
        progress.set_position(before + self.rows_of(day));
        output.end_day()
    }

    /// A block without the rows that a query would not show: deleted ones, and those whose own retention is over.
    fn input(&self, entry: &Entry) -> MergeInput {
        let map = self.catalog.map();
        let deleted = RowDrop::above(entry.delete_number, map.deletes(&self.tenant, metrics::NAME.as_str()));
        let drops = deleted.chain(self.policy.drops(&self.tenant, self.clock.now_ns()));
        let drops = drops.filter(|drop| drop.range.overlaps(&entry.facts.range)).collect();
        MergeInput { block: storage::block::open(&self.bucket, entry), drops }
    }
}

/// Where samples go: one file, or one for each day that has any.
struct Output {
    path: PathBuf,
    one: bool,
    open: Option<OpenTable>,
    written: Written,
    files: u64,
}

/// A table that gets its name when it is whole.
struct OpenTable {
    table: Table<BufWriter<File>>,
    path: PathBuf,
}

impl Output {
    fn create(order: &Order) -> Result<Self, ExportFailed> {
        let (path, one) = (order.output.clone(), order.is_file());
        let mut output = Self { path: path.clone(), one, open: None, written: Written::default(), files: 0 };
        if one {
            // Also where there is nothing to write: whoever reads the file finds an empty table.
            output.open = Some(OpenTable::create(path)?);
        } else {
            fs::create_dir_all(&path).map_err(|source| ExportFailed::File { path, source })?;
        }
        Ok(output)
    }

    /// The table for samples of a day.
    fn of(&mut self, day: Day) -> Result<&mut OpenTable, ExportFailed> {
        let open = match self.open.take() {
            Some(open) => open,
            None => OpenTable::create(self.path.join(format!("{day}.parquet")))?,
        };
        Ok(self.open.insert(open))
    }

    fn end_day(&mut self) -> Result<(), ExportFailed> {
        if self.one { Ok(()) } else { self.close() }
    }

    fn close(&mut self) -> Result<(), ExportFailed> {
        if let Some(open) = self.open.take() {
            let Written { series, samples } = open.finish()?;
            self.written.series += series;
            self.written.samples += samples;
            self.files += 1;
        }
        Ok(())
    }

    /// What was written, and into how many files.
    fn finish(mut self) -> Result<(Written, u64), ExportFailed> {
        self.close()?;
        Ok((self.written, self.files))
    }
}

impl OpenTable {
    fn create(path: PathBuf) -> Result<Self, ExportFailed> {
        let file = File::create(unfinished(&path)).map_err(|source| ExportFailed::File { path: path.clone(), source })?;
        match Table::new(BufWriter::new(file)) {
            Ok(table) => Ok(Self { table, path }),
            Err(source) => Err(ExportFailed::Table { path, source }),
        }
    }

    fn push(&mut self, series: &metrics::merge::SeriesSamples) -> Result<(), ExportFailed> {
        self.table.push(series).map_err(|source| ExportFailed::Table { path: self.path.clone(), source })
    }

    fn finish(self) -> Result<Written, ExportFailed> {
        let Self { table, path } = self;
        let (written, mut file) = match table.finish() {
            Ok(done) => done,
            Err(source) => return Err(ExportFailed::Table { path, source }),
        };
        let done = file.flush().and_then(|()| fs::rename(unfinished(&path), &path));
        done.map_err(|source| ExportFailed::File { path, source })?;
        Ok(written)
    }
}

/// The name of a file that is not whole yet: nobody takes it for a table.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

#[cfg(test)]
mod tests;
