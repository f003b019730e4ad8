//! The model of an ingester: a log that outlives the process, heads that do not, and cuts that follow the rules of the real one
//! (`services/ingester/src/cut.rs`, DESIGN 11.2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ingester::read_back::ReadBack;
use parking_lot::Mutex;
use proto::quartet as pb;
use ring::sim::{SimMembership, World};
use ring::{MemberState, Membership};
use runtime::{Clock, ManualClock};
use signal::{NewBlock, TimeRange};
use storage::block::{BlockId, BlockUpload, SignalId, packed};
use storage::bucket::Bucket;
use storage::catalog::{Announcer, Catalog, Entry, Record};
use storage::error::StoreError;
use tenancy::TenantId;
use tonic::Status;
use ulid::Ulid;

use crate::process::{Life, Net};
use crate::settings::Settings;
use crate::signal::{self as rows, Row, SIGNAL};

/// The role of its members.
pub(crate) use ring::roles::INGESTER;

/// What outlives the process. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    next: u64,
    records: BTreeMap<u64, (TenantId, Vec<Row>)>,
    marks: Vec<Mark>,
}

/// Rows of the log that are on their way into blocks, or there.
#[derive(Clone, Debug)]
struct Mark {
    tenant: TenantId,
    records: BTreeSet<u64>,
    blocks: Vec<BlockId>,
    /// When they were read back from the catalog, ns: then it is a second mark.
    done: Option<i64>,
}

/// One start of an ingester.
#[derive(Debug)]
pub(crate) struct Ingester {
    pub(crate) name: String,
    pub(crate) life: Life,
    pub(crate) disk: Disk,
    pub(crate) context: Context,
    catalog: Arc<Catalog>,
    announcer: Announcer,
    membership: SimMembership,
    read_back: ReadBack,
    memory: Mutex<Memory>,
    left: AtomicBool,
}

/// What an ingester is given.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) net: Arc<Net>,
    pub(crate) bucket: Arc<dyn Bucket>,
}

#[derive(Debug, Default)]
struct Memory {
    replayed: bool,
    heads: BTreeMap<TenantId, Head>,
    cuts: u64,
    /// Cuts that readers do not find in blocks yet.
    on_the_way: usize,
}

#[derive(Debug, Default)]
struct Head {
    fresh: Vec<(u64, Row)>,
    oldest: Option<i64>,
    cuts: BTreeMap<u64, Vec<Row>>,
}

/// A cut on its way.
struct Taken {
    tenant: TenantId,
    cut: u64,
    records: BTreeSet<u64>,
    rows: Vec<Row>,
    arrived: i64,
}

impl Ingester {
    /// A start over what the disk holds.
    pub(crate) fn start(name: &str, disk: Disk, membership: SimMembership, life: Life, context: Context) -> Arc<Self> {
        let catalog = Arc::new(Catalog::new(context.bucket.clone(), &context.settings.catalog, context.clock.clone()));
        let seed = context.net.now_dice(name, &context.clock);
        let announcer = Announcer::seeded(context.bucket.clone(), context.clock.clone(), name, seed);
        let read_back = ReadBack::new(context.settings.keep_after_upload * 2);
        for mark in disk.0.lock().marks.iter() {
            if let Some(at) = mark.done {
                read_back.add(&mark.tenant, mark.blocks.iter().copied(), at);
            }
        }
        let (memory, left) = (Mutex::default(), AtomicBool::new(false));
        let ingester =
            Arc::new(Self { name: name.to_owned(), life, disk, context, catalog, announcer, membership, read_back, memory, left });
        crate::settings::follow(&ingester.life, &ingester.catalog);
        crate::settings::announce(&ingester.life, &ingester.announcer, &ingester.context.settings);
        let starting = ingester.clone();
        ingester.life.spawn(async move { starting.serve().await });
        ingester
    }

    /// Reads the log, joins, and cuts from then on.
    async fn serve(self: Arc<Self>) {
        let reading = self.context.net.dice(&self.name, self.disk.0.lock().next) % 2000;
        tokio::time::sleep(Duration::from_millis(reading)).await;
        self.replay();
        while self.is_new() {
            tokio::time::sleep(self.context.settings.cut_check).await;
        }
        self.set_state(MemberState::Active);
        loop {
            tokio::time::sleep(self.context.settings.cut_check).await;
            self.cut_due();
        }
    }

    /// True while a reader's view of the ring may be older than this member.
    fn is_new(&self) -> bool {
        let ring = self.membership.view().ring(INGESTER);
        let since = ring.find(&self.name).map(|id| ring.member(id).member.since_ms);
        let grace = i64::try_from(self.context.settings.join_grace.as_millis()).unwrap_or(i64::MAX);
        since.is_none_or(|since| self.context.clock.now_ms() < since.saturating_add(grace))
    }

    fn set_state(&self, state: MemberState) {
        self.context.world.lock().set_state(&self.name, state);
    }

    /// Takes the records again that no block holds.
    fn replay(&self) {
        let now = self.context.clock.now_ns();
        let map = self.catalog.map();
        let mut log = self.disk.0.lock();
        let mut covered = BTreeSet::new();
        for mark in &mut log.marks {
            if mark.done.is_none() && mark.blocks.iter().all(|id| map.knows(&mark.tenant, *id)) {
                mark.done = Some(now);
                self.read_back.add(&mark.tenant, mark.blocks.iter().copied(), now);
            }
            if mark.done.is_some() {
                covered.extend(mark.records.iter().copied());
            }
        }
        let mut memory = self.memory.lock();
        for (seq, (tenant, rows)) in log.records.iter().filter(|(seq, _)| !covered.contains(seq)) {
            let head = memory.heads.entry(tenant.clone()).or_default();
            head.fresh.extend(rows.iter().map(|row| (*seq, *row)));
            head.oldest.get_or_insert(now);
        }
        memory.replayed = true;
    }

    fn state(&self) -> MemberState {
        let ring = self.membership.view().ring(INGESTER);
        ring.find(&self.name).map_or(MemberState::Joining, |id| ring.member(id).member.state)
    }

    /// Stores a push: durable first, visible then. A crash comes before, between or after.
    pub(crate) async fn push(self: Arc<Self>, tenant: TenantId, request: pb::PushRequest) -> Result<pb::PushResponse, Status> {
        if !self.memory.lock().replayed || self.state() != MemberState::Active {
            return Err(Status::unavailable("not writable"));
        }
        let rows = rows::decode(&request.payload);
        tokio::time::sleep(Duration::from_millis(2)).await;
        let seq = {
            let mut log = self.disk.0.lock();
            log.next += 1;
            let seq = log.next;
            log.records.insert(seq, (tenant.clone(), rows.clone()));
            seq
        };
        tokio::time::sleep(Duration::from_millis(2)).await;
        let mut memory = self.memory.lock();
        let head = memory.heads.entry(tenant).or_default();
        head.oldest.get_or_insert(self.context.clock.now_ns());
        head.fresh.extend(rows.into_iter().map(|row| (seq, row)));
        Ok(pb::PushResponse::default())
    }

    /// What a scan of heads answers: the rows first, then the names.
    pub(crate) fn scan(&self, tenant: &TenantId) -> Result<Vec<pb::ScanResponse>, Status> {
        let memory = self.memory.lock();
        if !memory.replayed {
            return Err(Status::unavailable("not ready: the ingester is reading its log"));
        }
        let held: Vec<Row> = memory.heads.get(tenant).map(Head::rows).unwrap_or_default();
        let read_back = self.read_back.of(tenant, self.context.clock.now_ns());
        let range = rows::range(&held);
        let header = pb::LeafHeader {
            read_back: read_back.iter().map(ToString::to_string).collect(),
            heads: range.into_iter().map(|range| pb::TimeSpan { start_ns: range.start, end_ns: range.end }).collect(),
        };
        // Two messages, so that an ingester can end between them.
        let halves = held.chunks(held.len().div_ceil(2).max(1));
        let batches = halves.map(|half| pb::ScanResponse::head_rows(rows::batch(false, &rows::encode(half))));
        Ok(std::iter::once(pb::ScanResponse::header(header)).chain(batches).collect())
    }

    fn cut_due(self: &Arc<Self>) {
        let due = self.context.clock.now_ns() - nanos(self.context.settings.cut_after);
        let tenants: Vec<TenantId> = {
            let memory = self.memory.lock();
            memory.heads.iter().filter(|(_, head)| head.oldest.is_some_and(|at| at <= due)).map(|(tenant, _)| tenant.clone()).collect()
        };
        for tenant in tenants {
            self.cut(&tenant);
        }
    }

    /// Cuts every head and waits until readers find all of it in blocks.
    pub(crate) async fn flush(self: &Arc<Self>) {
        let tenants: Vec<TenantId> = self.memory.lock().heads.keys().cloned().collect();
        for tenant in tenants {
            self.cut(&tenant);
        }
        while self.memory.lock().on_the_way > 0 {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Hands everything over and leaves the ring (DESIGN 11.8).
    pub(crate) async fn leave(self: Arc<Self>) {
        self.set_state(MemberState::ReadOnly);
        self.flush().await;
        self.set_state(MemberState::Leaving);
        tokio::time::sleep(self.context.settings.leave_grace).await;
        self.context.world.lock().leave(&self.name);
        self.left.store(true, Ordering::SeqCst);
        self.life.end();
    }

    /// True when it takes writes.
    pub(crate) fn is_active(&self) -> bool {
        self.life.runs() && self.state() == MemberState::Active
    }

    /// True when it is no member any more.
    pub(crate) fn has_left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }

    fn cut(self: &Arc<Self>, tenant: &TenantId) {
        let mut memory = self.memory.lock();
        let cut = memory.cuts;
        let Some(head) = memory.heads.get_mut(tenant).filter(|head| !head.fresh.is_empty()) else { return };
        let fresh = std::mem::take(&mut head.fresh);
        let arrived = head.oldest.take().unwrap_or(0);
        let rows: Vec<Row> = fresh.iter().map(|(_, row)| *row).collect();
        head.cuts.insert(cut, rows.clone());
        memory.cuts += 1;
        memory.on_the_way += 1;
        let taken = Taken { tenant: tenant.clone(), cut, records: fresh.into_iter().map(|(seq, _)| seq).collect(), rows, arrived };
        let cutter = self.clone();
        self.life.spawn(async move { cutter.follow(taken).await });
    }

    /// Brings one cut to its end.
    async fn follow(self: Arc<Self>, taken: Taken) {
        let ids = loop {
            let entries = self.upload(&taken).await;
            let ids: Vec<BlockId> = entries.iter().map(|entry| entry.id).collect();
            let Some(record) = Record::add(entries) else { break ids };
            self.announcer.announce(record);
            if self.catalog.wait_for(&taken.tenant, &ids, self.context.settings.announce_again_after).await {
                break ids;
            }
        };
        let now = self.context.clock.now_ns();
        self.mark(&taken, &ids, Some(now));
        self.read_back.add(&taken.tenant, ids, now);
        self.memory.lock().on_the_way -= 1;
        tokio::time::sleep(self.context.settings.keep_after_upload).await;
        let mut memory = self.memory.lock();
        memory.heads.entry(taken.tenant).or_default().cuts.remove(&taken.cut);
    }

    async fn upload(&self, taken: &Taken) -> Vec<Entry> {
        let now_ms = self.context.clock.now_ms();
        let signal = SignalId::parse(SIGNAL.as_str()).expect("the name of a signal");
        let blocks = rows::blocks(&taken.rows, self.context.settings.window_ns);
        let named: Vec<_> = (0..).zip(blocks).map(|(number, block)| (self.block_id(now_ms, taken.cut * 100 + number), block)).collect();
        self.mark(taken, &named.iter().map(|(id, _)| *id).collect::<Vec<_>>(), None);
        let arrival = TimeRange { start: taken.arrived, end: self.context.clock.now_ns() };
        let upload = |(id, block): (_, NewBlock)| {
            let upload = BlockUpload::cut(id, block.facts, block.data, block.index, arrival, self.catalog.number());
            (taken.tenant.clone(), upload)
        };
        let uploads: Vec<(TenantId, BlockUpload)> = named.into_iter().map(upload).collect();
        // Every second cut goes up as one object.
        if taken.cut % 2 == 1 {
            let object = self.block_id(now_ms, taken.cut * 100 + 99).0;
            return self.until_done(|| packed::upload(&*self.context.bucket, &signal, object, &uploads)).await;
        }
        let mut entries = Vec::new();
        for (tenant, upload) in uploads {
            let upload = || storage::block::upload(&*self.context.bucket, &tenant, &signal, upload.clone());
            entries.push(self.until_done(upload).await);
        }
        entries
    }

    async fn until_done<T, F: Future<Output = Result<T, StoreError>>>(&self, mut upload: impl FnMut() -> F) -> T {
        loop {
            match upload().await {
                Ok(done) => return done,
                Err(_) => tokio::time::sleep(self.context.settings.retry).await,
            }
        }
    }

    /// A name that follows from the seed.
    fn block_id(&self, now_ms: i64, number: u64) -> BlockId {
        let low = self.context.net.dice(&format!("{} {now_ms}", self.name), number);
        BlockId(Ulid::from_parts(u64::try_from(now_ms).unwrap_or(0), u128::from(low)))
    }

    fn mark(&self, taken: &Taken, blocks: &[BlockId], done: Option<i64>) {
        let mark = Mark { tenant: taken.tenant.clone(), records: taken.records.clone(), blocks: blocks.to_vec(), done };
        self.disk.0.lock().marks.push(mark);
    }
}

impl Disk {
    /// True when the log holds the row.
    pub(crate) fn holds(&self, row: &Row) -> bool {
        self.0.lock().records.values().any(|(_, rows)| rows.contains(row))
    }
}

impl Head {
    fn rows(&self) -> Vec<Row> {
        self.cuts.values().flatten().copied().chain(self.fresh.iter().map(|(_, row)| *row)).collect()
    }
}

fn nanos(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}
