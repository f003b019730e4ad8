//! Memory for a request that becomes larger while it is translated: a point with many attributes and many buckets becomes as many series, each
//! of which has all of the attributes.

use tenancy::{BudgetExceeded, Reservation};

/// Bytes that are asked for at once.
const STEP: usize = 1 << 20;

/// What a translated request may take, at most: offsets in it have 32 bits, and what is mended stands behind it.
const MOST: usize = 256 << 20;

/// Counts what a translation takes, and reserves before it is taken.
#[derive(Debug)]
pub(crate) struct Room<'m> {
    memory: &'m mut Reservation,
    held: usize,
    used: usize,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RoomError {
    /// Not now.
    #[error(transparent)]
    Busy(#[from] BudgetExceeded),
    /// Never: it becomes larger than any request may.
    #[error("the translated request is larger than {limit} bytes")]
    TooLarge { limit: usize },
}

impl<'m> Room<'m> {
    pub(crate) const fn new(memory: &'m mut Reservation) -> Self {
        Self { memory, held: 0, used: 0 }
    }

    /// Takes `bytes` more.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), RoomError> {
        let used = self.used.saturating_add(bytes);
        if used > MOST {
            return Err(RoomError::TooLarge { limit: MOST });
        }
        if used > self.held {
            let more = (used - self.held).max(STEP);
            self.memory.grow(more as u64)?;
            self.held += more;
        }
        self.used = used;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tenancy::Budget;

    use super::{MOST, Room, RoomError, STEP};

    #[test]
    fn memory_is_reserved_before_it_is_taken() {
        let budget = Budget::process("test", Some(3 * STEP as u64));
        let mut memory = budget.reserve(0).expect("nothing yet");
        let mut room = Room::new(&mut memory);
        room.take(1).expect("there is room");
        assert_eq!(budget.used(), STEP as u64);
        room.take(2 * STEP).expect("there is room");
        assert!(matches!(room.take(STEP), Err(RoomError::Busy(_))));
        assert_eq!(room.take(MOST), Err(RoomError::TooLarge { limit: MOST }));
        drop(memory);
        assert_eq!(budget.used(), 0);
    }
}
