//! How many series are active between two counts of them: what the limit of active series is held against.

use std::sync::atomic::{AtomicU32, Ordering};

/// The count of active series that is known now.
///
/// A count of all series takes a while and many locks, and others become active meanwhile: those that it has passed are added to what it
/// finds. Those that fall idle between two counts stay counted until the next, some seconds; being idle takes minutes.
#[derive(Debug, Default)]
pub(super) struct ActiveSeries {
    known: u64,
    /// The count that runs has looked at all smaller numbers.
    passed: AtomicU32,
    /// Series that became active after it had passed them.
    behind: u64,
}

impl ActiveSeries {
    /// How many there are.
    pub(super) fn count(&self) -> u64 {
        self.known
    }

    /// A series gets a sample, and was not active before.
    pub(super) fn begins(&mut self, number: u32) {
        self.known += 1;
        self.behind += u64::from(self.is_passed(number));
    }

    /// A series goes that began to be active and got no sample.
    pub(super) fn goes(&mut self, number: u32) {
        self.known = self.known.saturating_sub(1);
        self.behind = self.behind.saturating_sub(u64::from(self.is_passed(number)));
    }

    fn is_passed(&self, number: u32) -> bool {
        number < self.passed.load(Ordering::Relaxed)
    }

    /// The count that runs goes on at a number. To be called under the lock under which it looked at those before.
    pub(super) fn pass(&self, number: u32) {
        self.passed.store(number, Ordering::Relaxed);
    }

    /// The count that runs begins anew.
    pub(super) fn restart(&mut self) {
        self.passed.store(0, Ordering::Relaxed);
        self.behind = 0;
    }

    /// The count has looked at all, and found so many.
    pub(super) fn found(&mut self, count: u64) {
        self.known = count + self.behind;
        self.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::ActiveSeries;

    #[test]
    fn what_becomes_active_during_a_count_is_counted_once() {
        let mut active = ActiveSeries::default();
        (0..3).for_each(|number| active.begins(number));
        assert_eq!(active.count(), 3);
        // The count has seen two numbers, of which one was active.
        active.pass(2);
        active.begins(1);
        active.begins(3);
        active.goes(2);
        assert_eq!(active.count(), 4);
        // Of those from 2 on it finds 3.
        active.pass(u32::MAX);
        active.begins(4);
        active.found(2);
        assert_eq!(active.count(), 4, "0 and 3 that it found, 1 and 4 that it had passed");
        active.found(1);
        assert_eq!(active.count(), 1);
    }
}
