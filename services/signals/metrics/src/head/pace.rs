//! How many samples a head was sent of late.

/// A slot's length, ms.
const SLOT_MS: i64 = 5_000;
/// Slots that have ended and count: those of a minute.
const SLOTS: usize = 12;

/// Samples by the time of their arrival, in slots of five seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace {
    /// The one that runs, and those before it, by their numbers.
    slots: [u64; SLOTS + 1],
    /// The number of the one that runs: the time over [`SLOT_MS`].
    newest: i64,
}

impl Pace {
    /// Counts samples that arrived at `now`, ms.
    pub(super) fn add(&mut self, now: i64, samples: u64) {
        self.advance(now);
        let slot = self.place(self.newest);
        self.slots[slot] += samples;
    }

    /// Samples per second in the minute before `now` and the slot that runs, in thousandths.
    pub(super) fn milli_samples(&mut self, now: i64) -> u64 {
        self.advance(now);
        let samples: u64 = self.slots.iter().sum();
        let length = SLOT_MS.unsigned_abs() * SLOTS as u64 + now.rem_euclid(SLOT_MS).unsigned_abs();
        samples.saturating_mul(1_000_000) / length
    }

    /// Makes the slot of `now` the one that runs. A clock that goes back changes nothing.
    fn advance(&mut self, now: i64) {
        let slot = now.div_euclid(SLOT_MS);
        let passed = usize::try_from(slot - self.newest).unwrap_or_default().min(self.slots.len());
        for at in 0..passed {
            let place = self.place(slot - i64::try_from(at).unwrap_or_default());
            self.slots[place] = 0;
        }
        self.newest = self.newest.max(slot);
    }

    fn place(&self, slot: i64) -> usize {
        usize::try_from(slot.rem_euclid(SLOTS as i64 + 1)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_count_for_a_minute() {
        let mut pace = Pace::default();
        for second in 0..120 {
            pace.add(1_000_000_000_000 + second * 1000, 10);
        }
        let now = 1_000_000_000_000 + 120_000;
        assert_eq!(pace.milli_samples(now), 10_000);
        assert_eq!(pace.milli_samples(now + 30_000), 5_000);
        assert_eq!(pace.milli_samples(now + 60_000), 0);
        pace.add(now + 60_000, 60);
        // A clock that goes back.
        assert_eq!(pace.milli_samples(now + 59_000), 60 * 1_000_000 / 64_000);
        pace.add(now + 3_600_000, 60);
        assert_eq!(pace.milli_samples(now + 3_600_000), 1_000);
    }
}
