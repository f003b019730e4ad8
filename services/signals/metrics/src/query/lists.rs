//! Lists of label names, label values, series, exemplars and metadata, merged from all leaves of all tenants.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use runtime::ErrorKind;
use signal::{Leaves, QueryError, Scan, TimeRange};
use tenancy::TenantId;

use super::gather::{broken, run};
use super::partial::{self, Fetched};
use super::scope::{ORIGINAL_TENANT_LABEL, Part, Scope, TENANT_LABEL};
use super::subquery::milliseconds;
use crate::Deps;
use crate::merge::{merge_exemplars, merge_metadata};
use crate::model::{Labels, METRIC_NAME};
use crate::wire::{LeafQuery, LeafRows, MetricMetadata, SeriesExemplars};

/// Answers a question for a list.
pub(super) async fn list(
    deps: &Deps,
    scope: &Scope,
    asked: LeafQuery,
    range: TimeRange,
    leaves: Arc<dyn Leaves>,
) -> Result<Vec<Bytes>, QueryError> {
    let mut list = List::of(&asked, scope, range)?;
    for (tenant, query) in parts(scope, asked, &mut list)? {
        if let List::Metadata(metadata) = &mut list {
            metadata.visible = visible(deps, scope, &tenant, range, &leaves).await?;
        }
        let mut batches = leaves.scan(Scan { tenant: tenant.clone(), range, payload: query.encode() });
        let mut found = Found { list, scope: scope.clone(), tenant };
        while let Some(batch) = batches.next().await {
            let batch = batch?.payload;
            let leaves = leaves.clone();
            found = run(&deps.compute, move || found.take(&batch, &*leaves).map(|()| found)).await??;
        }
        list = found.list;
    }
    run(&deps.compute, move || list.encode()).await
}

/// What is asked of the leaves of each tenant. What tenants know of themselves goes into the list.
fn parts(scope: &Scope, asked: LeafQuery, list: &mut List) -> Result<Vec<(TenantId, LeafQuery)>, QueryError> {
    type Sets = Vec<Vec<syntax::LabelMatcher>>;
    let of = |sets: &Sets, make: &dyn Fn(Sets) -> LeafQuery| -> Result<Vec<_>, QueryError> {
        let parts = scope.sets(sets)?.into_iter();
        Ok(parts.map(|Part { tenant, matchers }| (tenant, make(matchers))).collect())
    };
    match asked {
        LeafQuery::LabelNames { sets, limit } => of(&sets, &|sets| LeafQuery::LabelNames { sets, limit }),
        LeafQuery::LabelValues { name, sets, .. } if scope.federates() && name == TENANT_LABEL => {
            // The label is not stored: its values are the tenants that the matchers leave.
            let tenants = scope.sets(&sets)?.into_iter().map(|part| part.tenant.as_str().to_owned());
            if let List::Strings { found, limit } = list {
                found.extend(tenants.take(*limit));
            }
            Ok(Vec::new())
        }
        LeafQuery::LabelValues { name, sets, limit } => {
            let original = scope.federates() && name == ORIGINAL_TENANT_LABEL;
            let name = if original { TENANT_LABEL.to_owned() } else { name };
            of(&sets, &|sets| LeafQuery::LabelValues { name: name.clone(), sets, limit })
        }
        LeafQuery::Series { sets, limit } => of(&sets, &|sets| LeafQuery::Series { sets, limit }),
        LeafQuery::Exemplars { sets } => of(&sets, &|sets| LeafQuery::Exemplars { sets }),
        LeafQuery::Metadata { metric, limit, limit_per_metric } => {
            let of = |tenant: &TenantId| {
                // What a policy hides does not count against the limit.
                let limit = if scope.is_limited(tenant) { 0 } else { limit };
                (tenant.clone(), LeafQuery::Metadata { metric: metric.clone(), limit, limit_per_metric })
            };
            Ok(scope.tenants().all().iter().map(of).collect())
        }
        _ => Err(QueryError::new(ErrorKind::Internal, "a question for a list asks for no list")),
    }
}

/// A list in the making, and whose answer comes.
struct Found {
    list: List,
    scope: Scope,
    tenant: TenantId,
}

/// A list that is being merged from all leaves.
enum List {
    /// Names, or values.
    Strings {
        found: BTreeSet<String>,
        limit: usize,
    },
    /// Names of labels of several tenants.
    Names {
        found: BTreeSet<String>,
        limit: usize,
    },
    Series {
        found: BTreeSet<Labels>,
        limit: usize,
    },
    Exemplars {
        rows: Vec<SeriesExemplars>,
        /// First and last ms.
        range: (i64, i64),
    },
    Metadata(Metadata),
}

impl List {
    fn of(asked: &LeafQuery, scope: &Scope, range: TimeRange) -> Result<Self, QueryError> {
        let at_most = |limit: u64| if limit == 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
        match asked {
            LeafQuery::LabelNames { limit, .. } if scope.federates() => Ok(Self::Names { found: BTreeSet::new(), limit: at_most(*limit) }),
            LeafQuery::LabelNames { limit, .. } | LeafQuery::LabelValues { limit, .. } => {
                Ok(Self::Strings { found: BTreeSet::new(), limit: at_most(*limit) })
            }
            LeafQuery::Series { limit, .. } => Ok(Self::Series { found: BTreeSet::new(), limit: at_most(*limit) }),
            LeafQuery::Exemplars { .. } => Ok(Self::Exemplars { rows: Vec::new(), range: milliseconds(range) }),
            LeafQuery::Metadata { limit, limit_per_metric, .. } => {
                Ok(Self::Metadata(Metadata { rows: Vec::new(), limit: *limit, limit_per_metric: *limit_per_metric, visible: None }))
            }
            _ => Err(QueryError::new(ErrorKind::Internal, "a question for a list asks for no list")),
        }
    }

    fn encode(self) -> Vec<Bytes> {
        match self {
            Self::Strings { found, .. } | Self::Names { found, .. } => partial::encode_strings(found),
            Self::Series { found, .. } => {
                let fetched = Fetched { series: found.len() as u64, ..Fetched::default() };
                partial::encode_series(found, fetched)
            }
            Self::Exemplars { rows, range: (start, end) } => partial::encode_exemplars(&merge_exemplars(rows, start, end)),
            Self::Metadata(metadata) => partial::encode_metadata(&merge_metadata(metadata.rows, metadata.limit, metadata.limit_per_metric)),
        }
    }
}

impl Found {
    /// Takes a batch of a leaf.
    fn take(&mut self, batch: &Bytes, leaves: &dyn Leaves) -> Result<(), QueryError> {
        let Self { list, scope, tenant } = self;
        let text_bytes = |text: &String| text.len() + size_of::<String>();
        let bytes = match (list, LeafRows::decode(batch).map_err(|err| broken(&err))?) {
            (List::Strings { found, limit }, LeafRows::Strings(more)) => add(found, *limit, more, text_bytes),
            (List::Names { found, limit }, LeafRows::Strings(more)) => {
                // A tenant with names has series, and each of them has its tenant's label.
                let tenants = (!more.is_empty()).then(|| TENANT_LABEL.to_owned());
                let own = more.into_iter().map(|name| if name == TENANT_LABEL { ORIGINAL_TENANT_LABEL.to_owned() } else { name });
                add(found, *limit, own.chain(tenants), text_bytes)
            }
            (List::Series { found, limit }, LeafRows::Series(more)) => {
                let more = more.into_iter().map(|labels| scope.label(tenant, labels));
                add(found, *limit, more, Labels::heap_bytes)
            }
            (List::Exemplars { rows, .. }, LeafRows::Exemplars(more)) => {
                let label = |one: SeriesExemplars| SeriesExemplars { labels: scope.label(tenant, one.labels), exemplars: one.exemplars };
                rows.extend(more.into_iter().map(label));
                // Decoded it takes about three times what it took on the way.
                batch.len() * 3
            }
            (List::Metadata(metadata), LeafRows::Metadata(more)) => {
                let visible = &metadata.visible;
                metadata.rows.extend(more.into_iter().filter(|one| visible.as_ref().is_none_or(|names| describes(&one.metric, names))));
                batch.len() * 3
            }
            _ => return Err(QueryError::new(ErrorKind::Internal, "a leaf answered another question")),
        };
        leaves.reserve(bytes as u64)
    }
}

/// Metadata that is being merged.
struct Metadata {
    rows: Vec<MetricMetadata>,
    limit: u64,
    limit_per_metric: u64,
    /// The names of metrics that the tenant's policies show; none: all.
    visible: Option<BTreeSet<String>>,
}

/// What stands behind a metric's name in those of its series.
const SUFFIXES: [&str; 6] = ["_bucket", "_count", "_sum", "_total", "_created", "_info"];

/// True when the metadata of a metric is that of a visible series' name.
fn describes(metric: &str, visible: &BTreeSet<String>) -> bool {
    visible.contains(metric) || SUFFIXES.iter().any(|suffix| visible.contains(&format!("{metric}{suffix}")))
}

/// The names of metrics that a tenant's policies show. Metadata has no labels that a policy could look at.
async fn visible(
    deps: &Deps,
    scope: &Scope,
    tenant: &TenantId,
    range: TimeRange,
    leaves: &Arc<dyn Leaves>,
) -> Result<Option<BTreeSet<String>>, QueryError> {
    if !scope.is_limited(tenant) {
        return Ok(None);
    }
    let mut names = BTreeSet::new();
    for Part { tenant, matchers } in scope.sets(&[])?.into_iter().filter(|part| part.tenant == *tenant) {
        let query = LeafQuery::LabelValues { name: METRIC_NAME.to_owned(), sets: matchers, limit: 0 };
        let mut batches = leaves.scan(Scan { tenant, range, payload: query.encode() });
        while let Some(batch) = batches.next().await {
            let batch = batch?.payload;
            leaves.reserve(batch.len() as u64 * 3)?;
            match run(&deps.compute, move || LeafRows::decode(&batch)).await?.map_err(|err| broken(&err))? {
                LeafRows::Strings(more) => names.extend(more),
                _ => return Err(QueryError::new(ErrorKind::Internal, "a leaf answered another question")),
            }
        }
    }
    Ok(Some(names))
}

/// Adds to a list, of which no more than the limit is kept: the first in order. Returns the bytes of what is new.
fn add<T: Ord>(found: &mut BTreeSet<T>, limit: usize, more: impl IntoIterator<Item = T>, size: impl Fn(&T) -> usize) -> usize {
    let mut bytes = 0;
    for one in more {
        let size = size(&one);
        if found.insert(one) {
            bytes += size;
        }
    }
    while found.len() > limit {
        found.pop_last();
    }
    bytes
}
