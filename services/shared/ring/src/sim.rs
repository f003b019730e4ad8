//! A deterministic cluster for simulations: members, gossip, partitions, crashes and stale views, under a clock that only
//! moves when it is told to and random numbers of one seed.
//!
//! What a process knows, and the views that follow from it, are computed by the code of the real [`Cluster`](crate::Cluster);
//! only sockets, chitchat and the bucket are models: a round of gossip is an exchange with one random peer, in which both end
//! up with the later of what each knew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use runtime::{Clock, ManualClock};
use tokio::sync::watch;

use crate::cluster::knowledge::{Knowledge, Own};
use crate::gossip::{Heard, Life};
use crate::member::{Member, MemberState, Process};
use crate::membership::{Changes, Membership};
use crate::store::MemoryStore;
use crate::view::{View, ViewBuilder};

/// How fast the model's clocks tick, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two rounds of gossip of one process.
    pub heartbeat_ms: i64,
    /// Silence after which a member counts as missing.
    pub missing_after_ms: i64,
    /// Between two readings of the bucket by one process.
    pub read_period_ms: i64,
}

/// A cluster under simulation.
#[derive(Debug)]
pub struct World {
    random: StdRng,
    clock: Arc<ManualClock>,
    pace: Pace,
    builder: ViewBuilder,
    bucket: MemoryStore,
    processes: BTreeMap<String, Node>,
    /// Pairs that do not hear each other, the smaller name first.
    cuts: BTreeSet<(String, String)>,
}

/// One process's view of the world. It changes only while the world moves. Clones are the same.
#[derive(Clone, Debug)]
pub struct SimMembership {
    views: watch::Sender<Arc<View>>,
    clock: Arc<ManualClock>,
    read_ms: Arc<AtomicI64>,
}

#[derive(Debug)]
struct Node {
    knowledge: Knowledge,
    heard: BTreeMap<String, Beat>,
    views: watch::Sender<Arc<View>>,
    /// When it last read the bucket.
    read_ms: Arc<AtomicI64>,
    own: Own,
    life: NodeLife,
    reads_bucket: bool,
    next_round_ms: i64,
    next_read_ms: i64,
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeLife {
    Running,
    /// Stopped by a signal: it does nothing and forgets nothing.
    Paused,
    Down,
}

/// The last that is known of a process.
#[derive(Clone, Debug)]
struct Beat {
    at_ms: i64,
    says: Says,
}

#[derive(Clone, Debug)]
enum Says {
    Member(Arc<Member>),
    Process(Process),
}

impl Default for Pace {
    fn default() -> Self {
        Self { heartbeat_ms: 1000, missing_after_ms: 10_000, read_period_ms: 10_000 }
    }
}

impl World {
    /// An empty world.
    ///
    /// * `seed`: everything random follows from it.
    /// * `builder`: that of an earlier world of the same settings saves computing tokens again.
    #[must_use]
    pub fn new(seed: u64, pace: Pace, builder: ViewBuilder) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            // Not the epoch: times before the beginning exist.
            clock: Arc::new(ManualClock::at(1_000_000_000_000_000_000)),
            pace,
            builder,
            bucket: MemoryStore::default(),
            processes: BTreeMap::new(),
            cuts: BTreeSet::new(),
        }
    }

    /// What the next world needs.
    #[must_use]
    pub fn into_builder(self) -> ViewBuilder {
        self.builder
    }

    /// The time of this world.
    #[must_use]
    pub fn clock(&self) -> Arc<ManualClock> {
        self.clock.clone()
    }

    /// The random numbers of this world: whatever else a simulation draws comes from here too.
    pub fn random(&mut self) -> &mut impl Rng {
        &mut self.random
    }

    /// The members' objects, as they are and not as somebody has read them.
    #[must_use]
    pub fn bucket(&self) -> &MemoryStore {
        &self.bucket
    }

    /// Starts a member, for the first time or again: it reads the bucket, writes `joining`, and knows nothing else.
    /// What state it had, the caller restores with [`World::set_state`].
    pub fn start_member(&mut self, member: Member) -> SimMembership {
        let now_ms = self.clock.now_ms();
        let before = self.bucket.members().remove(&member.name);
        let member = match before {
            Some(before) => Member { counter: before.counter, since_ms: before.since_ms, state: before.state, ..member }
                .with_state(MemberState::Joining, now_ms),
            None => Member { since_ms: now_ms, state: MemberState::Joining, ..member },
        };
        self.bucket.set(&member);
        self.start(member.name.clone(), Own::Member(member.name.clone()))
    }

    /// Starts a process without state.
    pub fn start_process(&mut self, process: Process) -> SimMembership {
        self.start(process.id.clone(), Own::Process(process))
    }

    fn start(&mut self, name: String, own: Own) -> SimMembership {
        let now_ms = self.clock.now_ms();
        let mut knowledge = Knowledge::new(own.clone(), self.bucket.members());
        let view = Arc::new(self.builder.build(knowledge.facts(now_ms)));
        // Whoever kept the view of an earlier start goes on with the new one.
        let views = self.processes.get(&name).map_or_else(|| watch::Sender::new(view.clone()), |node| node.views.clone());
        views.send_replace(view);
        let read_ms = self.processes.get(&name).map_or_else(Arc::default, |node| node.read_ms.clone());
        read_ms.store(now_ms, Ordering::Relaxed);
        let node = Node {
            knowledge,
            heard: BTreeMap::new(),
            views: views.clone(),
            read_ms: read_ms.clone(),
            own,
            life: NodeLife::Running,
            reads_bucket: true,
            next_round_ms: now_ms + self.random.random_range(0..=self.pace.heartbeat_ms),
            next_read_ms: now_ms + self.random.random_range(0..=self.pace.read_period_ms),
        };
        self.processes.insert(name, node);
        SimMembership { views, clock: self.clock.clone(), read_ms }
    }

    /// Changes the state of a running member, in the bucket and in its own words.
    pub fn set_state(&mut self, name: &str, state: MemberState) {
        let now_ms = self.clock.now_ms();
        if let (Some(member), true) = (self.bucket.members().remove(name), self.runs(name)) {
            let member = member.with_state(state, now_ms);
            self.bucket.set(&member);
            self.node(name).knowledge.set_own(member);
            self.publish(name);
        }
    }

    /// Ends a process without a word.
    pub fn crash(&mut self, name: &str) {
        self.node(name).life = NodeLife::Down;
    }

    /// Ends a member that has given everything away: its object goes too.
    pub fn leave(&mut self, name: &str) {
        self.crash(name);
        self.forget(name);
    }

    /// Removes a member's object, whoever that member is. One that runs writes it again when it reads.
    pub fn forget(&mut self, name: &str) {
        self.bucket.remove(name);
    }

    /// Stops a process as a signal does: it does nothing until [`World::resume`], and forgets nothing.
    pub fn pause(&mut self, name: &str) {
        self.node(name).life = NodeLife::Paused;
    }

    /// Lets a paused process go on.
    pub fn resume(&mut self, name: &str) {
        if self.node(name).life == NodeLife::Paused {
            self.node(name).life = NodeLife::Running;
        }
    }

    /// Lets two processes hear each other no more.
    pub fn cut(&mut self, a: &str, b: &str) {
        self.cuts.insert(pair(a, b));
    }

    /// Lets two processes hear each other again.
    pub fn heal(&mut self, a: &str, b: &str) {
        self.cuts.remove(&pair(a, b));
    }

    /// Lets everybody hear everybody again.
    pub fn heal_all(&mut self) {
        self.cuts.clear();
    }

    /// Whether a process can read the bucket: its view of the members grows stale while it cannot.
    pub fn set_reads_bucket(&mut self, name: &str, reads: bool) {
        self.node(name).reads_bucket = reads;
    }

    /// True when a message from one process gets to another now.
    #[must_use]
    pub fn reaches(&self, from: &str, to: &str) -> bool {
        self.runs(from) && self.runs(to) && !self.cuts.contains(&pair(from, to))
    }

    /// True when a process is neither paused nor down.
    #[must_use]
    pub fn runs(&self, name: &str) -> bool {
        self.processes.get(name).is_some_and(|node| node.life == NodeLife::Running)
    }

    /// Lets time pass. Each process gossips and reads in its own rhythm; those that are due at the same time act in an order
    /// of names.
    pub fn advance(&mut self, ms: i64) {
        let end = self.clock.now_ms() + ms;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            self.clock.set(at.max(self.clock.now_ms()) * 1_000_000);
            let now_ms = self.clock.now_ms();
            let running: Vec<String> =
                self.processes.iter().filter(|(_, node)| node.life == NodeLife::Running).map(|(name, _)| name.clone()).collect();
            for name in running {
                self.act(&name, now_ms);
            }
        }
        self.clock.set(end * 1_000_000);
        let running: Vec<String> = self.processes.keys().filter(|name| self.runs(name)).cloned().collect();
        for name in running {
            self.publish(&name);
        }
    }

    fn next_event(&self) -> Option<i64> {
        let running = self.processes.values().filter(|node| node.life == NodeLife::Running);
        running.map(|node| node.next_round_ms.min(node.next_read_ms)).min()
    }

    /// Does what is due.
    fn act(&mut self, name: &str, now_ms: i64) {
        if self.processes[name].next_read_ms <= now_ms {
            self.read(name);
            self.node(name).next_read_ms = now_ms + self.pace.read_period_ms;
        }
        if self.processes[name].next_round_ms <= now_ms {
            self.round(name, now_ms);
            self.node(name).next_round_ms = now_ms + self.pace.heartbeat_ms;
        }
    }

    fn read(&mut self, name: &str) {
        let node = &self.processes[name];
        if !node.reads_bucket {
            return;
        }
        let mut members = self.bucket.members();
        if let (Own::Member(_), None, Some(own)) = (&node.own, members.get(name), node.knowledge.member(name)) {
            self.bucket.set(own);
            members.insert(name.to_owned(), own.clone());
        }
        let now_ms = self.clock.now_ms();
        let node = self.node(name);
        node.knowledge.read(members);
        node.read_ms.store(now_ms, Ordering::Relaxed);
        self.publish(name);
    }

    /// An exchange with a random peer, one of which at least is a member.
    fn round(&mut self, name: &str, now_ms: i64) {
        let is_member = |name: &str| matches!(self.processes[name].own, Own::Member(_));
        let peers = self.processes.keys().filter(|peer| *peer != name && self.reaches(name, peer));
        let peers: Vec<String> = peers.filter(|peer| is_member(name) || is_member(peer)).cloned().collect();
        let Some(peer) = peers.into_iter().choose(&mut self.random) else {
            self.publish(name);
            return;
        };
        let mut known = self.processes[name].heard.clone();
        for (other, beat) in &self.processes[&peer].heard {
            if known.get(other).is_none_or(|known| known.at_ms < beat.at_ms) {
                known.insert(other.clone(), beat.clone());
            }
        }
        for speaker in [name, &peer] {
            if let Some(says) = self.processes[speaker].says(speaker) {
                known.insert(speaker.to_owned(), Beat { at_ms: now_ms, says });
            }
        }
        for hearer in [name, &peer] {
            self.node(hearer).heard.clone_from(&known);
            // Gossip of somebody unknown makes a process read the bucket.
            if self.publish(hearer) {
                self.read(hearer);
            }
        }
    }

    /// Makes a process's view of what it knows. Returns whether somebody is alive whom it does not know.
    fn publish(&mut self, name: &str) -> bool {
        let (now_ms, missing_after_ms) = (self.clock.now_ms(), self.pace.missing_after_ms);
        let Some(node) = self.processes.get_mut(name) else { return false };
        let mut heard = Heard::default();
        for (other, beat) in node.heard.iter().filter(|(other, _)| *other != name) {
            let alive = now_ms - beat.at_ms < missing_after_ms;
            match &beat.says {
                Says::Member(member) => {
                    heard.members.insert(other.clone(), Life { alive, missing_since_ms: None, member: member.clone() });
                }
                Says::Process(process) if alive => heard.processes.push(process.clone()),
                Says::Process(_) => {}
            }
        }
        node.knowledge.hear(heard);
        let facts = node.knowledge.facts(now_ms);
        if *node.views.borrow().facts() != facts {
            node.views.send_replace(Arc::new(self.builder.build(facts)));
        }
        node.knowledge.meets_strangers()
    }

    fn node(&mut self, name: &str) -> &mut Node {
        self.processes.get_mut(name).expect("a process of this world")
    }
}

impl Node {
    fn says(&self, name: &str) -> Option<Says> {
        match &self.own {
            Own::Member(_) => self.knowledge.member(name).map(|member| Says::Member(Arc::new(member.clone()))),
            Own::Process(process) => Some(Says::Process(process.clone())),
        }
    }
}

impl Membership for SimMembership {
    fn view(&self) -> Arc<View> {
        self.views.borrow().clone()
    }

    fn changes(&self) -> Changes {
        Changes::new(self.views.subscribe())
    }

    fn age(&self) -> Duration {
        let ms = self.clock.now_ms() - self.read_ms.load(Ordering::Relaxed);
        Duration::from_millis(u64::try_from(ms).unwrap_or_default())
    }
}

fn pair(a: &str, b: &str) -> (String, String) {
    if a < b { (a.to_owned(), b.to_owned()) } else { (b.to_owned(), a.to_owned()) }
}

#[cfg(test)]
mod tests;
