//! What a head shows of itself now and then: its active series, its rate, its limits.

use super::series::Series;
use super::trackers::Trackers;
use super::{IDLE_MS, Shared};
use crate::instruments::{User, UserLimit};

/// How many series are looked at each time: as many as take some ten milliseconds.
const PART: u32 = 1 << 18;
/// How many of them under one lock.
const STEP: u32 = 4096;

/// What a head has told the instruments, and how far it has counted since then.
#[derive(Debug, Default)]
pub(super) struct Figures {
    /// Its part of the rate of all heads, samples a second in thousandths.
    milli_rate: i64,
    /// The number of the series that comes next.
    next: u32,
    pub(super) active: i64,
    histograms: i64,
    buckets: i64,
    /// Series with samples that wait, which are not active yet.
    waiting: u64,
    trackers: Trackers,
}

impl Shared {
    /// Shows what is known of this head. A large head is counted in parts: its active series are shown when all parts are counted.
    pub(super) fn show_figures(&self) {
        let milli = i64::try_from(self.pace.lock().milli_samples(self.now_ms())).unwrap_or(i64::MAX);
        let mut figures = self.figures.lock();
        let all = &self.deps.instruments.heads;
        all.add_rate(milli - std::mem::replace(&mut figures.milli_rate, milli));
        let limits = self.deps.limits.of(&self.tenant);
        let limit = self.context.share.of(&self.tenant, limits.max_global_series_per_user);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        all.local_limits.get_or_create(&UserLimit::series(&self.tenant)).set(limit);
        if let Some(before) = figures.trackers.update(&limits) {
            // The new selectors count all series from the first on.
            let Figures { milli_rate, trackers, .. } = std::mem::take(&mut *figures);
            *figures = Figures { milli_rate, trackers, ..Figures::default() };
            self.state.write().active.restart();
            before.iter().for_each(|name| all.trackers.show(&self.tenant, name, 0, 0, 0));
        }
        if self.count_active(&mut figures, PART) {
            let count = figures.active.unsigned_abs() + std::mem::take(&mut figures.waiting);
            self.state.write().active.found(count);
            let user = User::from(&self.tenant);
            all.active.get_or_create(&user).set(std::mem::take(&mut figures.active));
            all.active_histograms.get_or_create(&user).set(std::mem::take(&mut figures.histograms));
            all.active_buckets.get_or_create(&user).set(std::mem::take(&mut figures.buckets));
            for tracked in figures.trackers.take() {
                all.trackers.show(&self.tenant, &tracked.name, tracked.series, tracked.histograms, tracked.buckets);
            }
        }
    }

    /// Counts `part` series, as far as there are so many left; true when it was the last.
    pub(super) fn count_active(&self, figures: &mut Figures, part: u32) -> bool {
        let since = self.now_ms().saturating_sub(IDLE_MS);
        let until = figures.next.saturating_add(part);
        while figures.next < until {
            let state = self.state.read();
            let end = state.numbers().min(until);
            for number in figures.next..end.min(figures.next.saturating_add(STEP)) {
                figures.next = number + 1;
                let series = state.get(number);
                let active = series.filter(|series| series.visible && !series.is_idle_since(since));
                let buckets = active.and_then(Series::newest_buckets);
                figures.trackers.look(number, series, active.is_some(), buckets);
                figures.active += i64::from(active.is_some());
                figures.waiting += u64::from(active.is_none() && series.is_some_and(|series| series.holders > 0));
                figures.histograms += i64::from(buckets.is_some());
                figures.buckets += buckets.map_or(0, |buckets| i64::try_from(buckets).unwrap_or(i64::MAX));
            }
            if figures.next >= state.numbers() {
                figures.next = 0;
                // Whatever becomes active from now on was not counted.
                state.active.pass(u32::MAX);
                return true;
            }
            state.active.pass(figures.next);
        }
        false
    }

    /// Takes back what was shown.
    pub(super) fn hide_figures(&mut self) {
        let heads = &self.deps.instruments.heads;
        let figures = self.figures.get_mut();
        heads.add_rate(-figures.milli_rate);
        figures.trackers.names().for_each(|name| heads.trackers.show(&self.tenant, name, 0, 0, 0));
        heads.forget(&self.tenant);
    }
}
