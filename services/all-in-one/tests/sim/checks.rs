//! What must hold (promise 1): an acknowledged row is in every answer to a query that began after it, once; an answer holds nothing
//! that was never sent; who cannot know all of that gives an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tenancy::TenantId;

use crate::signal::Row;

/// What was sent, acknowledged and answered. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Books>>);

#[derive(Debug, Default)]
struct Books {
    tenants: BTreeMap<TenantId, Account>,
    figures: Figures,
    violations: Vec<String>,
    missed: BTreeSet<Row>,
}

#[derive(Debug, Default)]
struct Account {
    sent: BTreeSet<Row>,
    acknowledged: BTreeSet<Row>,
}

/// How much a schedule has tried: a simulation in which nothing succeeds proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Rows that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Writes that were not.
    pub(crate) failed_writes: u64,
    /// Queries with an answer.
    pub(crate) answered: u64,
    /// Queries with an error.
    pub(crate) errors: u64,
    /// Blocks that merges made, live at the end.
    pub(crate) merged_blocks: u64,
}

/// Rows that an answer must hold.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    tenant: TenantId,
    must: BTreeSet<Row>,
}

impl Ledger {
    pub(crate) fn sent(&self, tenant: &TenantId, rows: &[Row]) {
        self.0.lock().account(tenant).sent.extend(rows);
    }

    pub(crate) fn written(&self, tenant: &TenantId, rows: &[Row], answer: &Result<(), String>) {
        let mut books = self.0.lock();
        if answer.is_ok() {
            books.account(tenant).acknowledged.extend(rows);
            books.figures.acknowledged += rows.len() as u64;
        } else {
            books.figures.failed_writes += 1;
        }
    }

    /// A query begins.
    pub(crate) fn ask(&self, tenant: &TenantId) -> Question {
        let must = self.0.lock().account(tenant).acknowledged.clone();
        Question { tenant: tenant.clone(), must }
    }

    /// A query has ended. `what` says which.
    pub(crate) fn answered(&self, what: &str, question: &Question, answer: &Result<Vec<Row>, String>) {
        let mut books = self.0.lock();
        let Ok(rows) = answer else {
            books.figures.errors += 1;
            return;
        };
        books.figures.answered += 1;
        let found: BTreeSet<Row> = rows.iter().copied().collect();
        let missing: Vec<u64> = question.must.difference(&found).map(|row| row.id).collect();
        books.missed.extend(question.must.difference(&found));
        if !missing.is_empty() {
            books.violations.push(format!("{what}: the answer is short: rows {missing:?} of {} are missing", question.must.len()));
        }
        let twice: Vec<u64> = rows.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].id).collect();
        if !twice.is_empty() {
            books.violations.push(format!("{what}: rows {twice:?} stand twice in the answer"));
        }
        let sent = &books.account(&question.tenant).sent;
        let invented: Vec<u64> = found.difference(sent).map(|row| row.id).collect();
        if !invented.is_empty() {
            books.violations.push(format!("{what}: rows {invented:?} were never sent"));
        }
    }

    /// Something else that must not be.
    pub(crate) fn violation(&self, what: String) {
        self.0.lock().violations.push(what);
    }

    pub(crate) fn merged_blocks(&self, blocks: u64) {
        self.0.lock().figures.merged_blocks += blocks;
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.0.lock().violations.clone()
    }

    /// Rows that were missing in some answer.
    pub(crate) fn missed(&self) -> BTreeSet<Row> {
        self.0.lock().missed.clone()
    }

    pub(crate) fn figures(&self) -> Figures {
        self.0.lock().figures
    }
}

impl Books {
    fn account(&mut self, tenant: &TenantId) -> &mut Account {
        self.tenants.entry(tenant.clone()).or_default()
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.failed_writes += other.failed_writes;
        self.answered += other.answered;
        self.errors += other.errors;
        self.merged_blocks += other.merged_blocks;
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { acknowledged, failed_writes, answered, errors, merged_blocks } = self;
        write!(
            f,
            "{acknowledged} rows acknowledged, {failed_writes} writes failed; {answered} queries answered, {errors} with an error; "
        )?;
        write!(f, "{merged_blocks} merged blocks")
    }
}
