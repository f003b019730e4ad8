//! The simulated cluster: real replication, read path and catalog over the models of membership, network, ingesters and store.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use compactor::leader::{Office, OfficeContext};
use compactor::metrics::CompactorMetrics;
use compactor::plan::Job;
use distributor::DistributorConfig;
use distributor::ingesters::Ingesters;
use distributor::metrics::DistributorMetrics;
use distributor::replicate::Replicator;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use proto::quartet as pb;
use querier::execute::{Execute, PartOfQuery};
use querier::leaf::{LeafClients, Messages};
use querier::leaves::LeafContext;
use querier::metrics::QuerierMetrics;
use ring::sim::{Pace, World};
use ring::{Member, MemberState, Process, ViewBuilder};
use runtime::config::HumanDuration;
use runtime::{ManualClock, Tasks};
use signal::{Item, MergeInput, MergeOptions, Plugins, ScanError, ScanQuery, TimeRange, WriteBatch, WriteSink};
use storage::block::{BlockId, BlockUpload};
use storage::bucket::{Bucket, FlakyConfig, Memory};
use storage::catalog::{Announcer, Catalog, Entry, LeaderMetrics, Record, Shard};
use storage::flaky::Flaky;
use tenancy::TenantId;
use tenancy::budget::Budget;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use ulid::Ulid;

use crate::ingester::{Context, Disk, INGESTER, Ingester};
use crate::process::{Life, Net};
use crate::settings::{self, Settings};
use crate::signal::{self as rows, Row, SIGNAL};

/// The zones.
pub(crate) const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];

/// How often the model of membership moves.
pub(crate) const TICK: Duration = Duration::from_millis(500);

const PACE: Pace = Pace { heartbeat_ms: 1500, missing_after_ms: 15_000, read_period_ms: 8000 };

/// The cluster.
pub(crate) struct Cluster {
    pub(crate) world: Arc<Mutex<World>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) net: Arc<Net>,
    pub(crate) settings: Settings,
    pub(crate) memory: Memory,
    pub(crate) processes: Arc<Mutex<Processes>>,
    tasks: Tasks,
    plugins: Plugins,
    stores: BTreeMap<String, Flaky>,
    disks: BTreeMap<String, Disk>,
}

/// The last start of each process.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    pub(crate) ingesters: BTreeMap<String, Arc<Ingester>>,
    pub(crate) gateways: BTreeMap<String, (Life, Gateway)>,
    pub(crate) distributors: BTreeMap<String, (Life, Replicator)>,
    pub(crate) queriers: BTreeMap<String, (Life, Arc<Execute>)>,
    pub(crate) compactors: BTreeMap<String, (Life, Arc<Office>)>,
}

/// How one process reaches others.
#[derive(Clone)]
struct Wire {
    from: String,
    net: Arc<Net>,
    processes: Arc<Mutex<Processes>>,
    leaf_timeout: Duration,
}

/// A store-gateway without its threads and caches.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    plugins: Plugins,
    bucket: Arc<dyn Bucket>,
}

/// What a worker of a compactor needs.
struct Worker {
    name: String,
    net: Arc<Net>,
    processes: Arc<Mutex<Processes>>,
    office: Arc<Office>,
    bucket: Arc<dyn Bucket>,
    catalog: Arc<Catalog>,
    announcer: Announcer,
    plugins: Plugins,
    clock: Arc<ManualClock>,
    pub(crate) settings: Settings,
}

impl Cluster {
    pub(crate) fn new(seed: u64, builder: ViewBuilder) -> Self {
        let world = World::new(seed, PACE, builder);
        let clock = world.clock();
        let world = Arc::new(Mutex::new(world));
        Self {
            net: Arc::new(Net::new(world.clone(), seed)),
            world,
            settings: Settings::default(),
            memory: Memory::new(clock.clone()),
            clock,
            processes: Arc::default(),
            tasks: Tasks::default(),
            plugins: rows::plugins(),
            stores: BTreeMap::new(),
            disks: BTreeMap::new(),
        }
    }

    /// What the next cluster needs.
    pub(crate) fn into_builder(self, spare: ViewBuilder) -> ViewBuilder {
        std::mem::replace(&mut *self.world.lock(), World::new(0, PACE, spare)).into_builder()
    }

    /// Lets time pass by all clocks.
    pub(crate) async fn pass(&self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let tick = left.min(TICK);
            tokio::time::sleep(tick).await;
            self.world.lock().advance(i64::try_from(tick.as_millis()).unwrap_or(i64::MAX));
            left -= tick;
        }
    }

    /// The store as a process reaches it.
    pub(crate) fn store(&mut self, name: &str) -> Flaky {
        let memory = self.memory.clone();
        self.stores.entry(name.to_owned()).or_insert_with(|| Flaky::new(Arc::new(memory), &FlakyConfig::default())).clone()
    }

    pub(crate) fn start_ingester(&mut self, name: &str) {
        let membership = self.world.lock().start_member(member(name, INGESTER));
        let disk = self.disks.entry(name.to_owned()).or_default().clone();
        let context = Context {
            settings: self.settings.clone(),
            world: self.world.clone(),
            clock: self.clock.clone(),
            net: self.net.clone(),
            bucket: Arc::new(self.store(name)),
        };
        let ingester = Ingester::start(name, disk, membership, Life::new(&self.tasks), context);
        self.processes.lock().ingesters.insert(name.to_owned(), ingester);
    }

    pub(crate) fn start_gateway(&mut self, name: &str) {
        let membership = self.world.lock().start_member(member(name, "store-gateway"));
        drop(membership);
        self.world.lock().set_state(name, MemberState::Active);
        let bucket: Arc<dyn Bucket> = Arc::new(self.store(name));
        let leaf = Gateway { plugins: self.plugins.clone(), bucket };
        self.processes.lock().gateways.insert(name.to_owned(), (Life::new(&self.tasks), leaf));
    }

    pub(crate) fn start_distributor(&mut self, name: &str) {
        let membership = self.world.lock().start_process(process(name, "distributor"));
        let config = DistributorConfig { push_timeout: human(self.settings.push_timeout), ..DistributorConfig::default() };
        let metrics = DistributorMetrics::register(&mut Registry::default(), 3);
        let wire = Arc::new(self.wire(name));
        let replicator = Replicator::new(&config, Arc::new(membership), wire, self.plugins.clone(), metrics, self.tasks.clone());
        self.processes.lock().distributors.insert(name.to_owned(), (Life::new(&self.tasks), replicator));
    }

    pub(crate) fn start_querier(&mut self, name: &str) {
        let membership = self.world.lock().start_process(process(name, "querier"));
        let life = Life::new(&self.tasks);
        let catalog = self.catalog(name);
        settings::follow(&life, &catalog);
        let context = LeafContext {
            membership: Arc::new(membership),
            clients: Arc::new(self.wire(name)),
            catalog,
            clock: self.clock.clone(),
            ask_all_after: self.settings.ask_all_after,
            recent: self.settings.recent,
            block_replicas: 3,
            max_ring_age: self.settings.join_grace,
            metrics: QuerierMetrics::default(),
        };
        let memory = Budget::process("memory", None);
        let execute = Arc::new(Execute::new(self.plugins.clone(), context, memory, None, self.settings.max_catalog_age));
        self.processes.lock().queriers.insert(name.to_owned(), (life, execute));
    }

    pub(crate) fn start_compactor(&mut self, name: &str) {
        let membership = self.world.lock().start_member(member(name, "compactor"));
        self.world.lock().set_state(name, MemberState::Active);
        let life = Life::new(&self.tasks);
        let catalog = self.catalog(name);
        settings::follow(&life, &catalog);
        let context = OfficeContext {
            name: name.to_owned(),
            plugins: self.plugins.clone(),
            membership: Arc::new(membership),
            catalog: catalog.clone(),
            clock: self.clock.clone(),
            metrics: CompactorMetrics::register(&mut Registry::default()),
            leader_metrics: LeaderMetrics::register(&mut Registry::default()),
            members: None,
            max_bytes: 0,
        };
        let office = Arc::new(Office::new(&self.settings.compactor, self.settings.windows_ns.clone(), context));
        life.spawn(office.clone().run(CancellationToken::new()));
        let bucket: Arc<dyn Bucket> = Arc::new(self.store(name));
        let announcer = Announcer::seeded(bucket.clone(), self.clock.clone(), name, self.net.now_dice(name, &self.clock));
        settings::announce(&life, &announcer, &self.settings);
        let worker = Worker {
            name: name.to_owned(),
            net: self.net.clone(),
            processes: self.processes.clone(),
            office: office.clone(),
            bucket,
            catalog,
            announcer,
            plugins: self.plugins.clone(),
            clock: self.clock.clone(),
            settings: self.settings.clone(),
        };
        life.spawn(worker.run());
        self.processes.lock().compactors.insert(name.to_owned(), (life, office));
    }

    /// A catalog over the store as the process reaches it, which has read nothing.
    pub(crate) fn catalog(&mut self, name: &str) -> Arc<Catalog> {
        let bucket = Arc::new(self.store(name));
        Arc::new(Catalog::new(bucket, &self.settings.catalog, self.clock.clone()))
    }

    fn wire(&self, from: &str) -> Wire {
        let (net, processes) = (self.net.clone(), self.processes.clone());
        Wire { from: from.to_owned(), net, processes, leaf_timeout: self.settings.leaf_timeout }
    }

    /// All names there were.
    pub(crate) fn names(&self) -> Vec<String> {
        self.processes.lock().names()
    }

    /// The ingesters whose logs ever held a row.
    pub(crate) fn holders(&self, row: &Row) -> Vec<&str> {
        self.disks.iter().filter(|(_, disk)| disk.holds(row)).map(|(name, _)| name.as_str()).collect()
    }

    /// What runs under a name.
    pub(crate) fn life(&self, name: &str) -> Option<Life> {
        self.processes.lock().life(name)
    }

    /// `kill -9`.
    pub(crate) fn crash(&self, name: &str) {
        if let Some(life) = self.life(name) {
            life.end();
            self.world.lock().crash(name);
        }
    }

    /// Stops a process as SIGSTOP does, and lets it go on.
    pub(crate) fn pause(&self, name: &str, pause: bool) {
        let Some(life) = self.life(name).filter(|life| !life.is_over()) else { return };
        if pause {
            life.pause();
            self.world.lock().pause(name);
        } else {
            self.world.lock().resume(name);
            life.resume();
        }
    }

    /// Starts what stood under the name again, over its disk.
    pub(crate) fn start(&mut self, name: &str) {
        match role(name) {
            INGESTER => self.start_ingester(name),
            "store-gateway" => self.start_gateway(name),
            "compactor" => self.start_compactor(name),
            "querier" => self.start_querier(name),
            _ => self.start_distributor(name),
        }
    }

    /// Writes rows through a distributor. Ok: they are acknowledged.
    pub(crate) fn write(&self, distributor: &str, tenant: &TenantId, rows: &[Row]) -> BoxFuture<'static, Result<(), String>> {
        let Some((life, replicator)) = self.processes.lock().distributors.get(distributor).cloned() else {
            return std::future::ready(Err("no such distributor".to_owned())).boxed();
        };
        let width = rows::encode(&rows[..1]).len();
        let end = |index: usize| u32::try_from(index * width).expect("a small batch");
        let items = rows.iter().enumerate().map(|(index, row)| Item { key: row.key, start: end(index), end: end(index + 1) });
        let batch = WriteBatch { tenant: tenant.clone(), signal: SIGNAL, format: 1, items: items.collect(), bytes: rows::encode(rows) };
        async move {
            match life.run(replicator.write(batch)).await {
                Some(Ok(outcome)) if outcome.refused.is_empty() => Ok(()),
                Some(Ok(_)) => Err("refused".to_owned()),
                Some(Err(err)) => Err(err.text),
                None => Err("the distributor ended".to_owned()),
            }
        }
        .boxed()
    }

    /// Asks a querier for everything of a tenant.
    pub(crate) fn query(&self, querier: &str, tenant: &TenantId) -> BoxFuture<'static, Result<Vec<Row>, String>> {
        let Some((life, execute)) = self.processes.lock().queriers.get(querier).cloned() else {
            return std::future::ready(Err("no such querier".to_owned())).boxed();
        };
        let timeout = self.settings.query_timeout;
        let part = PartOfQuery { tenants: tenant.clone().into(), payload: bytes::Bytes::new(), range: TimeRange::ALL, timeout };
        let ask = async move {
            if !execute.may_work() {
                return Err("the catalog has not been read lately".to_owned());
            }
            let mut parts = execute.run(SIGNAL.as_str().to_owned(), part, 0).await;
            let mut rows = Vec::new();
            while let Some(part) = parts.next().await {
                rows.extend(rows::decode(&part.map_err(|err| err.text)?));
            }
            Ok(rows)
        };
        async move { life.run(ask).await.unwrap_or_else(|| Err("the querier ended".to_owned())) }.boxed()
    }
}

impl Processes {
    pub(crate) fn life(&self, name: &str) -> Option<Life> {
        let life = match role(name) {
            INGESTER => self.ingesters.get(name).map(|ingester| &ingester.life),
            "store-gateway" => self.gateways.get(name).map(|(life, _)| life),
            "compactor" => self.compactors.get(name).map(|(life, _)| life),
            "querier" => self.queriers.get(name).map(|(life, _)| life),
            _ => self.distributors.get(name).map(|(life, _)| life),
        };
        life.cloned()
    }

    fn names(&self) -> Vec<String> {
        let ingesters = self.ingesters.keys().chain(self.gateways.keys());
        let others = self.distributors.keys().chain(self.queriers.keys()).chain(self.compactors.keys());
        ingesters.chain(others).cloned().collect()
    }
}

impl Wire {
    fn life(&self, name: &str) -> impl FnOnce() -> Option<Life> + Send + use<> {
        let (processes, name) = (self.processes.clone(), name.to_owned());
        move || processes.lock().life(&name)
    }

    /// What the process answers, and how long it lives.
    async fn ask(self, address: String, tenant: TenantId, request: pb::ScanRequest) -> Result<(Life, Vec<pb::ScanResponse>), Status> {
        let (processes, name) = (self.processes.clone(), address.clone());
        let work = async move {
            if role(&name) == INGESTER {
                let ingester = processes.lock().ingesters.get(&name).cloned().ok_or_else(|| Status::unavailable("gone"))?;
                return Ok((ingester.life.clone(), ingester.scan(&tenant)?));
            }
            let (life, leaf) = processes.lock().gateways.get(&name).cloned().ok_or_else(|| Status::unavailable("gone"))?;
            Ok((life, leaf.scan(tenant, request).await?))
        };
        self.net.call(&self.from, &address, self.life(&address), work).await
    }
}

impl Ingesters for Wire {
    fn push(
        &self,
        address: &str,
        tenant: &TenantId,
        request: pb::PushRequest,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<pb::PushResponse, Status>> {
        let (wire, address, tenant) = (self.clone(), address.to_owned(), tenant.clone());
        async move {
            let (processes, name) = (wire.processes.clone(), address.clone());
            let work = async move {
                let ingester = processes.lock().ingesters.get(&name).cloned().ok_or_else(|| Status::unavailable("gone"))?;
                ingester.push(tenant, request).await
            };
            let call = wire.net.call(&wire.from, &address, wire.life(&address), work);
            tokio::time::timeout(timeout, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
        }
        .boxed()
    }

    fn statistics(&self, _: &str, _: Duration) -> BoxFuture<'static, Result<pb::StatisticsResponse, Status>> {
        async { Err(Status::unimplemented("nobody asks for statistics here")) }.boxed()
    }
}

impl LeafClients for Wire {
    fn scan(&self, address: &str, tenant: &TenantId, request: pb::ScanRequest) -> BoxFuture<'static, Result<Messages, Status>> {
        let (wire, address, tenant) = (self.clone(), address.to_owned(), tenant.clone());
        async move {
            let silent = || Status::deadline_exceeded("the leaf did not answer in time");
            let asked = wire.clone().ask(address.clone(), tenant, request);
            let (life, messages) = tokio::time::timeout(wire.leaf_timeout, asked).await.map_err(|_| silent())??;
            let next = move |message| {
                let (wire, address, life) = (wire.clone(), address.clone(), life.clone());
                async move {
                    tokio::time::sleep(Duration::from_millis(3)).await;
                    if life.is_over() {
                        return Err(Status::unavailable("the connection broke"));
                    }
                    if !wire.net.reaches(&wire.from, &address) {
                        tokio::time::sleep(wire.leaf_timeout).await;
                        return Err(Status::deadline_exceeded("the leaf fell silent"));
                    }
                    Ok(message)
                }
            };
            Ok(futures::stream::iter(messages).then(next).boxed())
        }
        .boxed()
    }
}

impl Gateway {
    /// The rows of each block that is asked for, then the word that it is done, or gone.
    async fn scan(self, tenant: TenantId, request: pb::ScanRequest) -> Result<Vec<pb::ScanResponse>, Status> {
        let range = TimeRange { start: request.start_ns, end: request.end_ns };
        let plugin = self.plugins.get(&request.signal).ok_or_else(|| Status::unimplemented("no such signal"))?;
        let mut messages = Vec::new();
        for ask in request.blocks {
            let entry: Entry = serde_json::from_slice(&ask.entry).map_err(|err| Status::invalid_argument(err.to_string()))?;
            let query =
                ScanQuery { tenant: tenant.clone(), range, payload: request.query.clone(), alone: ask.alone, drops: Arc::default() };
            let mut rows = plugin.blocks.scan(storage::block::open(&self.bucket, &entry), &query, &Arc::default());
            let (block, mut gone) = (entry.id.to_string(), false);
            while let Some(batch) = rows.next().await {
                match batch {
                    Ok(payload) => messages.push(pb::ScanResponse::block_rows(block.clone(), payload)),
                    Err(ScanError::Gone { .. }) => gone = true,
                    Err(err) => return Err(runtime::grpc::status(&err)),
                }
            }
            messages.push(pb::ScanResponse::block_done(block, gone));
        }
        Ok(messages)
    }
}

impl Worker {
    /// As the real worker does, without its threads.
    async fn run(self) {
        loop {
            tokio::time::sleep(self.settings.compactor.poll.get()).await;
            if let Some((leader, job)) = self.take() {
                self.merge(&job).await;
                leader.finish(job.id);
            }
        }
    }

    fn take(&self) -> Option<(Arc<Office>, Job)> {
        if let Some(job) = self.office.take(&self.name) {
            return Some((self.office.clone(), job?));
        }
        let (leader, _) = self.office.elected()?;
        let (life, office) = self.processes.lock().compactors.get(&leader).cloned()?;
        if !self.net.reaches(&self.name, &leader) || !life.runs() {
            return None;
        }
        Some((office.clone(), office.take(&self.name)??))
    }

    /// Merges the blocks of a job and waits until the catalog has the result in their place, or the job's time is over.
    async fn merge(&self, job: &Job) -> Option<()> {
        let first = job.inputs.first()?;
        let (tenant, signal) = (first.tenant.clone(), first.signal.clone());
        let input = |entry| MergeInput { block: storage::block::open(&self.bucket, entry), drops: Vec::new() };
        let readers = job.inputs.iter().map(input).collect();
        let options = MergeOptions { tenant: tenant.clone(), window_ns: job.window_ns, target_bytes: job.target_bytes, shards: job.shards };
        let made = self.plugins.get(&signal)?.blocks.merge(readers, options).await.ok()?;
        let now_ms = runtime::Clock::now_ms(&*self.clock);
        let dice = self.net.dice(&self.name, u64::try_from(now_ms).unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(dice % 4000)).await;
        let parents: Vec<BlockId> = job.inputs.iter().map(|entry| entry.id).collect();
        let arrival = job.inputs.iter().map(|entry| entry.arrival).reduce(|a, b| a.union(&b))?;
        let level = job.inputs.iter().map(|entry| entry.level).max()? + 1;
        let mut entries = Vec::new();
        for (number, block) in (0u128..).zip(made) {
            let upload = BlockUpload {
                id: BlockId(Ulid::from_parts(u64::try_from(now_ms).unwrap_or(0), u128::from(dice) << 8 | number)),
                retention_ns: Some(block.facts.range.end),
                facts: block.facts,
                data: block.data,
                index: block.index,
                arrival,
                level,
                shard: Shard::WHOLE,
                parents: parents.clone(),
                delete_number: 0,
                rules: None,
            };
            entries.push(storage::block::upload(&*self.bucket, &tenant, &signal, upload).await.ok()?);
        }
        let ids: Vec<BlockId> = entries.iter().map(|entry| entry.id).collect();
        self.announcer.announce(Record::replace(tenant.clone(), signal, parents, entries));
        self.catalog.wait_for(&tenant, &ids, self.settings.compactor.job_timeout.get()).await.then_some(())
    }
}

/// The role that a name begins with.
pub(crate) fn role(name: &str) -> &str {
    ["store-gateway", INGESTER, "compactor", "querier", "distributor"].into_iter().find(|role| name.starts_with(role)).unwrap_or("")
}

/// The zone that a name names.
pub(crate) fn zone(name: &str) -> &'static str {
    ZONES.into_iter().find(|zone| name.contains(zone)).unwrap_or("")
}

fn member(name: &str, role: &str) -> Member {
    Member {
        name: name.to_owned(),
        role: role.to_owned(),
        zone: zone(name).to_owned(),
        http: name.to_owned(),
        grpc: name.to_owned(),
        gossip: String::new(),
        signals: vec![SIGNAL.as_str().to_owned()],
        state: MemberState::Joining,
        since_ms: 0,
        counter: 1,
    }
}

fn process(name: &str, role: &str) -> Process {
    Process { role: role.to_owned(), id: name.to_owned(), http: name.to_owned(), grpc: name.to_owned() }
}

fn human(time: Duration) -> HumanDuration {
    HumanDuration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("from", &self.from).finish_non_exhaustive()
    }
}
