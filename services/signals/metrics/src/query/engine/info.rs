//! `info(vector, {labels})`: adds the labels of info metrics to series of the same instance and job.

use index::Matcher;
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

use super::batch::{Batch, SeriesKey, Steps};
use super::eval::Evaluator;
use super::grouping::{Groups, Selection, members};
use super::plan::InfoNode;
use super::select::Pick;
use super::{EvalError, bits, numbers};
use crate::model::{Labels, METRIC_NAME};

/// The labels by which a series and its info find each other.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// The info series of each step: the newest of those with the same name and identifying labels.
struct Infos<'a> {
    batch: &'a Batch,
    /// By name and identifying labels.
    groups: Groups<'a>,
    /// For each group and step the row, if there is one.
    newest: Vec<Vec<Option<usize>>>,
    /// The names of all info metrics.
    names: Vec<String>,
}

/// The info rows that a series meets at a step, in the order of the names.
type Met = SmallVec<[Option<usize>; 2]>;

/// The value of a call.
pub(crate) fn call(evaluator: &mut Evaluator<'_>, node: &InfoNode, steps: Steps) -> Result<Batch, EvalError> {
    let base = evaluator.vector(&node.expr, steps)?;
    let name_matchers = Matcher::compile_all(&node.name_matchers)?;
    let data_matchers = Matcher::compile_all(&node.data_matchers)?;
    // An info metric is not told of itself.
    let is_info = |labels: &Labels| {
        !name_matchers.is_empty() && name_matchers.iter().all(|matcher| matcher.matches(labels.metric_name().unwrap_or_default()))
    };
    let times = identified(&base, is_info, evaluator.select(&node.info, node.expr.at, steps, Pick::Time)?);
    let has_histograms = |key: &SeriesKey| {
        let stored = &evaluator.data[node.info.selector];
        let place = stored.binary_search_by(|series| series.labels.cmp(&key.labels));
        place.is_ok_and(|place| !stored[place].histograms.is_empty())
    };
    if times.keys().iter().any(has_histograms) {
        return Err(EvalError::InfoHistogram);
    }
    let names: Vec<String> = [METRIC_NAME, "instance", "job"].map(str::to_owned).to_vec();
    let infos = Infos::new(&times, &names, &base.any_present())?;
    let needs_info = data_matchers.iter().any(|matcher| !matcher.matches_empty());
    let wanted = |label: &str| data_matchers.is_empty() || data_matchers.iter().any(|matcher| matcher.name() == label);

    let mut out = Batch::new(steps.count);
    for row in 0..base.len() {
        let key = base.key(row);
        if is_info(&key.labels) {
            out.push_copy(key.clone(), base.values(row), base.present(row));
            continue;
        }
        for (met, present) in infos.met_by(&key.labels, base.present(row)) {
            if met.iter().all(Option::is_none) && needs_info {
                continue;
            }
            let labels = infos.enriched(&key.labels, &met, wanted)?;
            out.push_copy(SeriesKey { labels, drop_name: key.drop_name }, base.values(row), &present);
        }
    }
    out.merge_same_labels()
}

/// Those of the info series that have identifying labels as any of the series has them.
fn identified(base: &Batch, is_info: impl Fn(&Labels) -> bool, infos: Batch) -> Batch {
    let series: Vec<&Labels> = base.keys().iter().map(|key| &key.labels).filter(|labels| !is_info(labels)).collect();
    let values = IDENTIFYING.map(|label| series.iter().filter_map(|labels| labels.get(label)).collect::<FxHashSet<&str>>());
    if values.iter().all(FxHashSet::is_empty) {
        return Batch::new(infos.steps());
    }
    let fits = |labels: &Labels| {
        IDENTIFYING
            .iter()
            .zip(&values)
            .all(|(label, values)| values.is_empty() || labels.get(label).is_some_and(|value| values.contains(value)))
    };
    let rows: Vec<usize> = (0..infos.len()).filter(|row| fits(&infos.key(*row).labels)).collect();
    infos.reordered(rows)
}

impl<'a> Infos<'a> {
    /// `times` holds for each info series the times of its samples, `asked` the steps that matter.
    ///
    /// * Errors: [`EvalError::DuplicateInfo`] where two of a group are equally new.
    fn new(times: &'a Batch, names: &'a [String], asked: &[u64]) -> Result<Self, EvalError> {
        let mut groups = Groups::new(Selection::Only(names));
        let rows = members(&mut groups, times.keys().iter().map(|key| &key.labels));
        let mut newest = vec![vec![None; times.steps()]; rows.len()];
        for (newest, rows) in newest.iter_mut().zip(&rows) {
            for row in rows {
                for step in bits::ones(&bits::both(times.present(*row), asked)) {
                    let time = times.values(*row)[step];
                    let known = newest[step].map(|known: usize| (known, times.values(known)[step]));
                    match known {
                        Some((known, known_time)) if known_time == time => {
                            return Err(EvalError::DuplicateInfo {
                                existing: times.key(known).labels.clone(),
                                new: times.key(*row).labels.clone(),
                                t: numbers::to_i64((time * 1_000.0).round()),
                            });
                        }
                        Some((_, known_time)) if known_time > time => {}
                        _ => newest[step] = Some(*row),
                    }
                }
            }
        }
        let mut metrics: Vec<String> = times.keys().iter().map(|key| key.labels.metric_name().unwrap_or_default().to_owned()).collect();
        metrics.sort();
        metrics.dedup();
        Ok(Self { batch: times, groups, newest, names: metrics })
    }

    /// The info rows that a series meets, and the steps at which it meets just these.
    fn met_by(&self, series: &Labels, present: &[u64]) -> Vec<(Met, Vec<u64>)> {
        let identity = series.filtered(|name| IDENTIFYING.contains(&name));
        let groups: Vec<Option<usize>> =
            self.names.iter().map(|name| self.groups.find(&identity.builder().set(METRIC_NAME, name).build())).collect();
        let mut met: FxHashMap<Met, Vec<u64>> = FxHashMap::default();
        let mut order: Vec<Met> = Vec::new();
        for step in bits::ones(present) {
            let rows: Met = groups.iter().map(|group| group.and_then(|group| self.newest[group][step])).collect();
            let steps = met.entry(rows.clone()).or_insert_with(|| {
                order.push(rows);
                vec![0; present.len()]
            });
            bits::set(steps, step);
        }
        order.into_iter().filter_map(|rows| met.remove_entry(&rows)).collect()
    }

    /// The labels of a series with those of its infos that are `wanted` and that it does not have itself.
    ///
    /// * Errors: [`EvalError::ConflictingInfo`] where two infos say different things.
    fn enriched(&self, series: &Labels, met: &Met, wanted: impl Fn(&str) -> bool) -> Result<Labels, EvalError> {
        let mut added: Vec<(&str, &str)> = Vec::new();
        for row in met.iter().flatten() {
            for (name, value) in self.batch.key(*row).labels.iter().filter(|(name, _)| *name != METRIC_NAME && wanted(name)) {
                if added.iter().any(|(known, other)| *known == name && *other != value) {
                    return Err(EvalError::ConflictingInfo { label: name.to_owned() });
                }
                if series.get(name).is_none() {
                    added.push((name, value));
                }
            }
        }
        let mut labels = series.builder();
        for (name, value) in added {
            labels.set(name, value);
        }
        Ok(labels.build())
    }
}
