//! When an item of a batch is stored, refused or lost (DESIGN 11.3). Pure: no sockets, no clock.

use signal::Refusal;

/// What one replica said about one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All of it is stored.
    Stored,
    /// All of it or a part is refused for a reason that the sender must mend.
    Refused(Refusal),
    /// The replica did not answer, or could not store it.
    Failed,
}

/// What became of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A quorum stored it.
    Stored,
    /// A quorum refused it.
    Refused(Refusal),
    /// Neither can be reached any more: the sender must try again.
    Lost,
}

/// Counts the answers to the items of one batch.
#[derive(Debug)]
pub struct Tally {
    quorum: usize,
    items: Vec<Item>,
    undecided: usize,
}

#[derive(Debug, Default)]
struct Item {
    pending: usize,
    stored: usize,
    refused: usize,
    refusal: Option<Refusal>,
    fate: Option<Fate>,
}

impl Tally {
    /// * `quorum`: answers that decide, RF/2 + 1; at least 1.
    /// * `asked`: for each item, how many replicas it was sent to. A replica that was not sent to counts as a failure.
    #[must_use]
    pub fn new(quorum: usize, asked: impl IntoIterator<Item = usize>) -> Self {
        let items = asked.into_iter().map(|pending| Item { pending, ..Item::default() }).collect::<Vec<_>>();
        let mut tally = Self { quorum: quorum.max(1), undecided: items.len(), items };
        for index in 0..tally.items.len() {
            tally.decide(index);
        }
        tally
    }

    /// Takes what a replica said about an item. Answers after the decision change nothing.
    pub fn take(&mut self, item: usize, answer: Answer) {
        let Some(known) = self.items.get_mut(item) else { return };
        known.pending = known.pending.saturating_sub(1);
        match answer {
            Answer::Stored => known.stored += 1,
            Answer::Refused(refusal) => {
                known.refused += 1;
                known.refusal.get_or_insert(refusal);
            }
            Answer::Failed => {}
        }
        self.decide(item);
    }

    fn decide(&mut self, index: usize) {
        let item = &mut self.items[index];
        if item.fate.is_some() {
            return;
        }
        let fate = if item.stored >= self.quorum {
            Fate::Stored
        } else if item.refused >= self.quorum
            && let Some(refusal) = item.refusal.clone()
        {
            Fate::Refused(refusal)
        } else if item.pending + item.stored.max(item.refused) < self.quorum {
            Fate::Lost
        } else {
            return;
        };
        item.fate = Some(fate);
        self.undecided -= 1;
    }

    /// True when the fate of every item is known.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.undecided == 0
    }

    /// True when some item is lost: the batch has failed, whatever the others say.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.items.iter().any(|item| item.fate == Some(Fate::Lost))
    }

    /// The time is over: the fates, those without one as lost.
    #[must_use]
    pub fn close(self) -> Vec<Fate> {
        self.items.into_iter().map(|item| item.fate.unwrap_or(Fate::Lost)).collect()
    }
}

#[cfg(test)]
mod tests;
