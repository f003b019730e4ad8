//! What roles see of the ring.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::member::{Member, Process};
use crate::rings::Seen;
use crate::view::{Facts, RingSettings, View, ViewBuilder};

/// Who is in the cluster, now and from now on.
pub trait Membership: Send + Sync + fmt::Debug {
    /// The newest view. The members have been read from the bucket before there is a first one.
    fn view(&self) -> Arc<View>;

    /// Tells of each newer view.
    fn changes(&self) -> Changes;

    /// How long ago the members were last read: whoever has joined since then may be missing in the view.
    fn age(&self) -> Duration;
}

/// Tells when there is a newer view.
#[derive(Clone, Debug)]
pub struct Changes(watch::Receiver<Arc<View>>);

impl Changes {
    pub(crate) const fn new(views: watch::Receiver<Arc<View>>) -> Self {
        Self(views)
    }

    /// Waits for a view that is newer than the last one returned here, or than the one at the time of
    /// [`Membership::changes`]; several changes may be one. Loses nothing when dropped. Returns none when the membership is gone.
    pub async fn changed(&mut self) -> Option<Arc<View>> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }
}

/// A list of members that nobody watches: all roles in one process, where it stands still, and tests.
#[derive(Debug)]
pub struct Fixed {
    views: watch::Sender<Arc<View>>,
}

impl Fixed {
    /// A cluster of these members and other processes, which does not change.
    #[must_use]
    pub fn new(settings: RingSettings, members: Vec<Member>, processes: Vec<Process>) -> Self {
        let members = members.into_iter().map(|member| Seen { member: Arc::new(member), alive: true, missing_since_ms: None });
        Self::of(settings, Facts { members: members.collect(), processes })
    }

    /// A cluster that stands still as it is, with members that are missing, for instance.
    #[must_use]
    pub fn of(settings: RingSettings, facts: Facts) -> Self {
        let view = ViewBuilder::new(settings).build(facts);
        Self { views: watch::Sender::new(Arc::new(view)) }
    }

    /// Changes who there is; [`Changes`] tell of it. Two changes at once are one after the other.
    pub fn change(&self, change: impl FnOnce(&mut Facts)) {
        self.views.send_modify(|view| {
            let mut facts = view.facts().clone();
            change(&mut facts);
            *view = Arc::new(ViewBuilder::new(view.settings().clone()).build(facts));
        });
    }
}

impl Membership for Fixed {
    fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    fn changes(&self) -> Changes {
        Changes::new(self.views.subscribe())
    }

    fn age(&self) -> Duration {
        Duration::ZERO
    }
}
