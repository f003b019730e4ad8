//! The office of the leader: who has it, and what is done in it.
//!
//! Among the compactors that gossip shows alive, the one with the smallest `since`, then name, is to lead (DESIGN 6). That two think so at
//! once is no harm: the catalog's log has one writer per number, and who finds another's number lays the office down.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ring::roles::{COMPACTOR, INGESTER};
use ring::{MemberStore, Membership};
use runtime::{Chain, Clock};
use signal::Plugins;
use storage::block::{BlockId, SignalId};
use storage::catalog::{Catalog, CatalogError, Change, Entry, Leader, LeaderMetrics, Map, Record, Sweeper};
use storage::time::TimeRange;
use tenancy::TenantId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::CompactorConfig;
use crate::jobs::Board;
use crate::metrics::CompactorMetrics;
use crate::plan::{self, Drops, Job, PlanRules};

/// What the leader works with.
pub struct Office {
    config: CompactorConfig,
    catalog: Arc<Catalog>,
    rules: Vec<i64>,
    name: String,
    plugins: Plugins,
    membership: Arc<dyn Membership>,
    clock: Arc<dyn Clock>,
    metrics: CompactorMetrics,
    leader_metrics: LeaderMetrics,
    members: Option<Arc<dyn MemberStore>>,
    max_bytes: u64,
    held: Mutex<Held>,
}

/// What others see of the office.
#[derive(Debug)]
struct Held {
    /// None while this process does not lead.
    board: Option<Board>,
    map: Option<Arc<Map>>,
}

/// What is looked at to plan.
struct Look<'a> {
    map: &'a Map,
    /// Blocks that a job works on.
    busy: &'a HashSet<BlockId>,
    settle_ns: i64,
    /// Packed objects that hold bytes of a deleted tenant.
    condemned: BTreeSet<&'a str>,
}

/// What an office is given by the role.
pub struct OfficeContext {
    /// The name of this member.
    pub name: String,
    /// The signals whose blocks are merged.
    pub plugins: Plugins,
    /// Who else could lead.
    pub membership: Arc<dyn Membership>,
    /// The catalog that is kept.
    pub catalog: Arc<Catalog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The role's instruments.
    pub metrics: CompactorMetrics,
    /// The catalog's instruments of a leader.
    pub leader_metrics: LeaderMetrics,
    /// Where members that have gone for good are removed; none in a cluster that stands still.
    pub members: Option<Arc<dyn MemberStore>>,
    /// Bytes that all blocks may take; 0 is no limit.
    pub max_bytes: u64,
}

impl Office {
    /// * `windows_ns`: lengths of windows, rising.
    #[must_use]
    pub fn new(config: &CompactorConfig, windows_ns: Vec<i64>, context: OfficeContext) -> Self {
        let OfficeContext { name, plugins, membership, catalog, clock, metrics, leader_metrics, members, max_bytes } = context;
        let (config, rules, held) = (config.clone(), windows_ns, Mutex::new(Held { board: None, map: None }));
        Self { config, catalog, rules, name, plugins, membership, clock, metrics, leader_metrics, members, max_bytes, held }
    }

    /// Who is to lead, as this process sees it: name and gRPC address.
    #[must_use]
    pub fn elected(&self) -> Option<(String, String)> {
        let ring = self.membership.view().ring(COMPACTOR);
        let eldest = ring.eldest()?;
        Some((eldest.member.name.clone(), eldest.member.grpc.clone()))
    }

    /// True while this process leads.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.lock().board.is_some()
    }

    fn is_mine(&self) -> bool {
        self.config.alone || self.elected().is_some_and(|(name, _)| name == self.name)
    }

    /// Leads whenever it is this process's turn, until `stop` fires.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut may_from = Instant::now();
        while !stop.is_cancelled() {
            if self.is_mine() && Instant::now() >= may_from {
                // Given up in the middle of something, an office ends as with a crash: the next leader finds the log whole.
                let term = stop.run_until_cancelled(self.term()).await;
                self.lay_down();
                match term {
                    Some(Ok(())) | None => {}
                    Some(Err(err)) => warn!(error = %Chain(&err), "the office of the leader is lost"),
                }
                may_from = Instant::now() + self.catalog.config().office_pause.get();
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.config.step.get().max(Duration::from_millis(10))) => {}
            }
        }
    }

    /// Looks for files that belong to nothing now and then, while this process leads.
    pub async fn sweep(self: Arc<Self>, stop: CancellationToken) {
        let every = self.catalog.config().orphans_every.get().max(Duration::from_millis(100));
        let mut sweeper = Sweeper::new(self.catalog.clone(), self.leader_metrics.clone());
        while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            if !self.is_held() {
                continue;
            }
            match sweeper.sweep().await {
                Ok(swept) => debug!(?swept, "looked for files that belong to nothing"),
                Err(err) => warn!(error = %Chain(&err), "files that belong to nothing could not be looked for"),
            }
        }
    }

    fn lay_down(&self) {
        *self.held.lock() = Held { board: None, map: None };
        self.metrics.leader.set(0);
        self.leader_metrics.clear();
    }

    /// One term: from the election until another is to lead, or the log has another writer.
    async fn term(&self) -> Result<(), CatalogError> {
        let mut leader = Leader::elected(self.catalog.clone(), &self.name, self.leader_metrics.clone()).await?;
        *self.held.lock() = Held { board: Some(Board::new(self.config.job_timeout.get())), map: Some(leader.map()) };
        self.metrics.leader.set(1);
        let mut step = tokio::time::interval(self.config.step.get().max(Duration::from_millis(10)));
        step.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut planned: Option<Instant> = None;
        while self.is_mine() {
            step.tick().await;
            let begun = Instant::now();
            let stepped = leader.step().await;
            self.metrics.synced(begun.elapsed(), stepped.is_ok());
            survive(stepped)?;
            self.held.lock().map = Some(leader.map());
            if planned.is_none_or(|at| at.elapsed() >= self.config.plan_period.get()) {
                self.metrics.runs_started.inc();
                let retired = self.retire(&mut leader).await;
                self.metrics.run_ended(retired.is_ok(), self.clock.now_ms());
                survive(retired)?;
                self.forget_the_gone().await;
                self.plan(&leader.map(), self.config.settle.as_ns());
                leader.observe();
                planned = Some(Instant::now());
            }
        }
        info!(name = self.name, "another compactor leads");
        Ok(())
    }

    /// Puts the merges that can be done on the board. Returns how many there are.
    fn plan(&self, map: &Map, settle_ns: i64) -> usize {
        let mut held = self.held.lock();
        let Some(board) = &mut held.board else { return 0 };
        let busy = board.busy();
        let mut jobs: Vec<Job> = Vec::new();
        self.metrics.estimated_jobs.clear();
        let tenants = map.tenants();
        let mut known: HashSet<TenantId> = HashSet::new();
        let look = Look { map, busy: &busy, settle_ns, condemned: map.condemned() };
        for (tenant, signal) in held_by(map) {
            let Some((rules, groups)) = self.groups(&look, &tenant, &signal) else { continue };
            let deletes = map.deletes(&tenant, signal.as_str());
            let before = jobs.len();
            jobs.extend(groups.iter().filter_map(|group| plan::job(group, &rules, deletes, map.number(), self.clock.now_ms())));
            self.metrics.estimate(&tenant, jobs[before..].iter().map(|job| job.shards));
            known.insert(tenant);
        }
        self.metrics.tenants(tenants.len(), tenants.iter().filter(|tenant| !known.contains(*tenant)).count());
        let planned = jobs.len();
        board.replace(jobs);
        let (waiting, running) = board.len();
        self.metrics.jobs_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        debug!(waiting, running, "planned");
        planned
    }

    /// What can be merged of a tenant's signal, with the rules for it; none where the signal is not enabled here.
    fn groups(&self, look: &Look<'_>, tenant: &TenantId, signal: &SignalId) -> Option<(PlanRules, Vec<Vec<Arc<Entry>>>)> {
        let plugin = self.plugins.get(signal.as_str())?;
        let now = self.clock.now_ns();
        let rules = PlanRules {
            windows_ns: self.rules.clone(),
            settled_before_ns: now.saturating_sub(look.settle_ns),
            max_inputs: self.config.max_inputs,
            target_bytes: self.config.target_bytes.0,
            shards: plugin.policy.merge_shards(tenant),
            split_from_bytes: self.config.split_from_bytes.0,
            replicas: self.membership.view().settings().replication_factor as u64,
            unpack_before_ns: now.saturating_sub(self.config.unpack_after.as_ns()),
        };
        let drops = Drops { deletes: look.map.deletes(tenant, signal.as_str()), now: plugin.policy.drops(tenant, now), now_ns: now };
        let mut entries = look.map.blocks(tenant, signal.as_str(), TimeRange::ALL);
        entries.retain(|entry| !look.busy.contains(&entry.id));
        let mut groups = plan::plan(&entries, &rules);
        groups.extend(plan::rewrites(&entries, &groups, |entry| drops.want(entry) || rules.unpacks(entry, &look.condemned)));
        Some((rules, groups))
    }

    /// The merges of a tenant that could be done now, as far as the catalog is known here, by signal. Those that run are among them.
    #[must_use]
    pub fn planned(&self, tenant: &TenantId) -> Vec<(SignalId, Vec<Vec<Arc<Entry>>>)> {
        let map = self.catalog.map();
        let look = Look { map: &map, busy: &HashSet::new(), settle_ns: self.config.settle.as_ns(), condemned: map.condemned() };
        let groups = |signal: SignalId| {
            let (_, groups) = self.groups(&look, tenant, &signal)?;
            Some((signal, groups))
        };
        map.signals(tenant).into_iter().filter_map(groups).collect()
    }

    /// Plans without waiting for windows to settle. Returns the jobs that wait and run; none: this process does not lead.
    #[must_use]
    pub fn plan_now(&self) -> Option<usize> {
        let map = self.held.lock().map.clone()?;
        self.plan(&map, 0);
        let (waiting, running) = self.held.lock().board.as_ref()?.len();
        Some(waiting + running)
    }

    /// Gives a job to a worker. The outer none: this process does not lead.
    #[must_use]
    pub fn take(&self, worker: &str) -> Option<Option<Job>> {
        self.held.lock().board.as_mut().map(|board| board.take(worker, Instant::now()))
    }

    /// A worker is done with a job; `false`: this process does not lead.
    pub fn finish(&self, id: ulid::Ulid) -> bool {
        self.held.lock().board.as_mut().map(|board| board.finish(id)).is_some()
    }

    /// Takes blocks out of the catalog whose time is over, or for which there is no room.
    async fn retire(&self, leader: &mut Leader) -> Result<(), CatalogError> {
        let now = self.clock.now_ns();
        // Where a tenant ends it with an error, those before are done.
        let mut done: HashSet<TenantId> = HashSet::new();
        let retired = self.retire_each(leader, now, &mut done).await;
        self.metrics.tenants_processed(done.len());
        retired?;
        let records = self.make_room(&leader.map());
        if records.is_empty() { Ok(()) } else { leader.append(records).await.map(drop) }
    }

    /// Takes blocks of each tenant out whose time is over; `done` gets the tenants with which that is done.
    async fn retire_each(&self, leader: &mut Leader, now: i64, done: &mut HashSet<TenantId>) -> Result<(), CatalogError> {
        for (tenant, signal) in held_by(&leader.map()) {
            let retired = self.retire_one(leader, &tenant, &signal, now).await;
            if retired.is_err() {
                // Another signal of the tenant may have been done before.
                done.remove(&tenant);
                return retired;
            }
            done.insert(tenant);
        }
        Ok(())
    }

    async fn retire_one(&self, leader: &mut Leader, tenant: &TenantId, signal: &SignalId, now: i64) -> Result<(), CatalogError> {
        self.empty(leader, tenant, signal).await?;
        let Some(plugin) = self.plugins.get(signal.as_str()) else { return Ok(()) };
        let own = plugin.policy.retention(tenant).map(|keep| i64::try_from(keep.as_nanos()).unwrap_or(i64::MAX));
        let default = (!self.config.default_retention.is_zero()).then(|| self.config.default_retention.as_ns());
        let Some(keep) = own.or(default) else { return Ok(()) };
        let blocks = leader.retire(tenant, signal, now.saturating_sub(keep)).await?;
        if blocks > 0 {
            info!(%tenant, %signal, blocks, "blocks are over their time");
        }
        Ok(())
    }

    /// Takes out blocks of which a delete leaves nothing: nobody has to read them for that.
    async fn empty(&self, leader: &mut Leader, tenant: &TenantId, signal: &SignalId) -> Result<(), CatalogError> {
        let map = leader.map();
        let deletes = map.deletes(tenant, signal);
        if deletes.iter().all(|delete| !delete.delete.what.is_empty()) {
            return Ok(());
        }
        let blocks = map.blocks(tenant, signal, TimeRange::ALL);
        let ids: Vec<BlockId> =
            blocks.iter().filter(|entry| deletes.iter().any(|delete| delete.empties(entry))).map(|entry| entry.id).collect();
        if !ids.is_empty() {
            info!(%tenant, %signal, blocks = ids.len(), "all rows of blocks are deleted");
            let change = Change::Remove { ids };
            leader.append(vec![Record { tenant: tenant.clone(), signal: signal.clone(), change }]).await?;
        }
        Ok(())
    }

    /// Removes members that hold nothing of their own and have been missing for long (DESIGN 4). Ingesters never go that way.
    async fn forget_the_gone(&self) {
        let Some(members) = &self.members else { return };
        let view = self.membership.view();
        let rings = view.rings().filter(|ring| ring.role() != INGESTER);
        let gone: Vec<String> = rings
            .flat_map(|ring| {
                let missing = ring.missing_for(self.config.forget_after.as_ms(), self.clock.now_ms());
                missing.map(|seen| seen.member.name.clone()).collect::<Vec<_>>()
            })
            .collect();
        for name in gone {
            match members.delete(&name).await {
                Ok(()) => info!(member = name, "a member that has been missing for long is forgotten"),
                Err(err) => warn!(member = name, error = %Chain(&err), "a member could not be forgotten"),
            }
        }
    }

    /// The oldest blocks above `storage.local.max_bytes`.
    fn make_room(&self, map: &Map) -> Vec<Record> {
        let limit = self.max_bytes;
        if limit == 0 {
            return Vec::new();
        }
        let mut all: Vec<&Arc<Entry>> = map.entries().collect();
        let mut bytes: u64 = all.iter().map(|entry| entry.bytes()).sum();
        all.sort_by_key(|entry| (entry.facts.range.end, entry.id));
        let mut going: HashMap<(TenantId, SignalId), Vec<BlockId>> = HashMap::new();
        for entry in all {
            if bytes <= limit {
                break;
            }
            bytes = bytes.saturating_sub(entry.bytes());
            going.entry((entry.tenant.clone(), entry.signal.clone())).or_default().push(entry.id);
        }
        let removal = |((tenant, signal), ids): ((TenantId, SignalId), Vec<BlockId>)| {
            info!(%tenant, %signal, blocks = ids.len(), "there is no room for the oldest blocks");
            Record { tenant, signal, change: Change::Remove { ids } }
        };
        going.into_iter().map(removal).collect()
    }
}

/// The tenants with their signals that have anything in the catalog.
fn held_by(map: &Map) -> Vec<(TenantId, SignalId)> {
    let pairs = |tenant: TenantId| map.signals(&tenant).into_iter().map(move |signal| (tenant.clone(), signal));
    map.tenants().into_iter().flat_map(pairs).collect()
}

/// A store that fails is no reason to lay down the office; another leader, and a rebuild, are.
fn survive(done: Result<impl Sized, CatalogError>) -> Result<(), CatalogError> {
    match done {
        Err(err @ (CatalogError::LostOffice { .. } | CatalogError::Rebuilding)) => Err(err),
        Err(err) => {
            warn!(error = %Chain(&err), "the leader could not do its work now");
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

impl fmt::Debug for Office {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Office").field("name", &self.name).field("held", &self.held).finish_non_exhaustive()
    }
}

impl fmt::Debug for OfficeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfficeContext").field("name", &self.name).finish_non_exhaustive()
    }
}
