//! One schedule: writes and queries while things go wrong, as one seed says; then all but one zone is well again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use ring::ViewBuilder;
use runtime::config::HumanDuration;
use runtime::{Clock, Tasks};
use signal::TimeRange;
use storage::bucket::{Bucket, FlakyConfig};
use storage::flaky::Fault;
use tenancy::TenantId;

use crate::checks::{Figures, Ledger};
use crate::cluster::{Cluster, TICK, ZONES, role, zone};
use crate::ingester::INGESTER;
use crate::signal::{Row, SIGNAL, decode};

/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(60);

/// Members of one zone at most.
const PER_ZONE: u32 = 3;

/// What became of a schedule.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) figures: Figures,
    /// What must not have been; empty for a good schedule.
    pub(crate) violations: Vec<String>,
    /// What happened, line by line.
    pub(crate) trace: Vec<String>,
}

/// A schedule on its way.
struct Schedule {
    random: StdRng,
    cluster: Cluster,
    ledger: Ledger,
    tasks: Tasks,
    tenants: Vec<TenantId>,
    /// What is to be mended, by the time at which it is.
    mending: BTreeMap<i64, Vec<Mend>>,
    leaving: BTreeSet<String>,
    begun_ms: i64,
    rows: u64,
    trace: Vec<String>,
}

/// What ends a trouble.
#[derive(Clone, Debug)]
enum Mend {
    Start(String),
    Resume(String),
    Heal(String, String),
    Store(String),
    Members(String),
}

/// Runs one schedule on a runtime whose time is paused.
pub(crate) async fn run(seed: u64, builder: ViewBuilder, spare: ViewBuilder) -> (Report, ViewBuilder) {
    let cluster = Cluster::new(seed, builder);
    let begun_ms = cluster.clock.now_ms();
    let mut schedule = Schedule {
        random: StdRng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        cluster,
        ledger: Ledger::default(),
        tasks: Tasks::default(),
        tenants: ["all-0", "three-3"].into_iter().map(|name| TenantId::parse(name).expect("a tenant")).collect(),
        mending: BTreeMap::new(),
        leaving: BTreeSet::new(),
        begun_ms,
        rows: 0,
        trace: Vec::new(),
    };
    schedule.start().await;
    schedule.trouble().await;
    schedule.recover().await;
    schedule.one_zone_gone().await;
    schedule.all_in_blocks().await;
    for row in schedule.ledger.missed() {
        let sent = (row.at / 1_000_000 - schedule.begun_ms) as f64 / 1000.0;
        schedule.note(format!("row {} was sent at {sent:.1} s and is in the logs of {:?}", row.id, schedule.cluster.holders(&row)));
    }
    let Schedule { cluster, ledger, trace, .. } = schedule;
    (Report { figures: ledger.figures(), violations: ledger.violations(), trace }, cluster.into_builder(spare))
}

impl Schedule {
    fn note(&mut self, what: String) {
        let ms = self.cluster.clock.now_ms() - self.begun_ms;
        self.trace.push(format!("{:>7.1} s  {what}", ms as f64 / 1000.0));
    }

    async fn start(&mut self) {
        let per_zone = self.random.random_range(1..PER_ZONE);
        for zone in ZONES {
            for ordinal in 0..per_zone {
                self.cluster.start_ingester(&format!("ingester-{zone}-{ordinal}"));
            }
            self.cluster.start_gateway(&format!("store-gateway-{zone}-0"));
        }
        for (ordinal, zone) in ZONES.into_iter().enumerate().take(2) {
            self.cluster.start_distributor(&format!("distributor-{ordinal}"));
            self.cluster.start_querier(&format!("querier-{ordinal}"));
            self.cluster.start_compactor(&format!("compactor-{zone}-0"));
        }
        self.note(format!("{} ingesters in each zone", per_zone));
        // The first members are newcomers like any other.
        self.cluster.pass(self.cluster.settings.join_grace + Duration::from_secs(7)).await;
    }

    /// Things go wrong.
    async fn trouble(&mut self) {
        let end = self.cluster.clock.now_ms() + ms(TROUBLE);
        while self.cluster.clock.now_ms() < end {
            self.mend(false);
            if self.random.random_bool(0.8) {
                self.write();
            }
            if self.random.random_bool(0.6) {
                self.query();
            }
            if self.random.random_bool(0.15) {
                self.something();
            }
            self.cluster.pass(TICK).await;
        }
    }

    /// Mends what it is time for, or everything.
    fn mend(&mut self, all: bool) {
        let now = self.cluster.clock.now_ms();
        while let Some(due) = self.mending.first_entry().filter(|due| all || *due.key() <= now) {
            for mend in due.remove() {
                self.note(format!("{mend:?}"));
                match mend {
                    Mend::Start(name) => {
                        // One that has left meanwhile is not missed.
                        if self.cluster.life(&name).is_some_and(|life| life.is_over()) && !self.has_left(&name) {
                            self.leaving.remove(&name);
                            self.cluster.start(&name);
                        }
                    }
                    Mend::Resume(name) => self.cluster.pause(&name, false),
                    Mend::Heal(a, b) => self.cluster.world.lock().heal(&a, &b),
                    Mend::Store(name) => self.cluster.store(&name).set(&FlakyConfig::default()),
                    Mend::Members(name) => self.cluster.world.lock().set_reads_bucket(&name, true),
                }
            }
        }
    }

    fn later(&mut self, secs: std::ops::Range<i64>, mend: Mend) {
        let at = self.cluster.clock.now_ms() + 1000 * self.random.random_range(secs);
        self.mending.entry(at).or_default().push(mend);
    }

    fn one_of(&mut self, names: &[String]) -> Option<String> {
        names.choose(&mut self.random).cloned()
    }

    fn names(&self, of: &str) -> Vec<String> {
        let names = self.cluster.names();
        names.into_iter().filter(|name| role(name) == of && !self.has_left(name)).collect()
    }

    fn has_left(&self, name: &str) -> bool {
        self.cluster.processes.lock().ingesters.get(name).is_some_and(|ingester| ingester.has_left())
    }

    fn write(&mut self) {
        let names = self.names("distributor");
        let (Some(name), Some(tenant)) = (self.one_of(&names), self.tenants.choose(&mut self.random).cloned()) else { return };
        let at = self.cluster.clock.now_ns();
        let count = self.random.random_range(1..4);
        let rows: Vec<Row> = (0..count).map(|number| Row { at, key: self.random.random(), id: self.rows + number }).collect();
        self.rows += count;
        self.ledger.sent(&tenant, &rows);
        let (write, ledger) = (self.cluster.write(&name, &tenant, &rows), self.ledger.clone());
        self.tasks.detach("write", async move { ledger.written(&tenant, &rows, &write.await) });
    }

    fn query(&mut self) {
        let names = self.names("querier");
        let (Some(name), Some(tenant)) = (self.one_of(&names), self.tenants.choose(&mut self.random).cloned()) else { return };
        let what = format!("a query of {tenant} at {name} begun at {:.1} s", self.seconds());
        let (question, answer, ledger) = (self.ledger.ask(&tenant), self.cluster.query(&name, &tenant), self.ledger.clone());
        self.tasks.detach("query", async move { ledger.answered(&what, &question, &answer.await) });
    }

    fn seconds(&self) -> f64 {
        (self.cluster.clock.now_ms() - self.begun_ms) as f64 / 1000.0
    }

    /// One trouble.
    fn something(&mut self) {
        let everybody: Vec<String> = self.cluster.names().into_iter().filter(|name| !self.has_left(name)).collect();
        let ingesters = self.names(INGESTER);
        let Some(anyone) = self.one_of(&everybody) else { return };
        let Some(ingester) = self.one_of(&ingesters) else { return };
        match self.random.random_range(0..100) {
            0..18 => self.crash(ingester),
            18..24 => {
                let gone = *ZONES.choose(&mut self.random).expect("three zones");
                for name in everybody.into_iter().filter(|name| zone(name) == gone) {
                    self.crash(name);
                }
            }
            24..32 => self.crash(anyone),
            32..44 => {
                self.note(format!("pause {anyone}"));
                self.cluster.pause(&anyone, true);
                self.later(1..25, Mend::Resume(anyone));
            }
            44..56 => {
                let Some(other) = self.one_of(&everybody) else { return };
                self.cut(&anyone, &other);
            }
            56..62 => {
                for other in &everybody {
                    self.cut(&anyone, other);
                }
                self.cluster.world.lock().set_reads_bucket(&anyone, false);
                self.later(2..15, Mend::Members(anyone));
            }
            62..72 => self.outage(vec![anyone]),
            72..75 => self.outage(everybody),
            75..85 => self.lose(&anyone),
            85..93 => self.join(),
            _ => self.leave(ingester),
        }
    }

    fn crash(&mut self, name: String) {
        self.note(format!("crash {name}"));
        self.cluster.crash(&name);
        self.later(0..20, Mend::Start(name));
    }

    fn cut(&mut self, a: &str, b: &str) {
        if a != b {
            self.note(format!("cut {a} from {b}"));
            self.cluster.world.lock().cut(a, b);
            self.later(2..15, Mend::Heal(a.to_owned(), b.to_owned()));
        }
    }

    /// The store is not there, for some.
    fn outage(&mut self, names: Vec<String>) {
        let secs = self.random.random_range(1..12);
        self.note(format!("no store for {secs} s for {names:?}"));
        for name in names {
            self.cluster.store(&name).set(&FlakyConfig { fail: 1.0, ..FlakyConfig::default() });
            self.later(secs..secs + 1, Mend::Store(name));
        }
    }

    /// Answers of the store are lost, or late.
    fn lose(&mut self, name: &str) {
        let late = Fault::Delay(Duration::from_millis(self.random.random_range(100..8000)));
        let fault = if self.random.random_bool(0.7) { Fault::Lose } else { late };
        let (operation, key) = *[
            ("create", "catalog/log"),
            ("put", "catalog/inbox"),
            ("put", "data"),
            ("put", "meta.json"),
            ("delete", "catalog/inbox"),
            ("get", "catalog/log"),
            ("list", "catalog/root"),
        ]
        .choose(&mut self.random)
        .expect("seven");
        self.note(format!("{fault:?} of the next {operation} of {key} by {name}"));
        self.cluster.store(name).order(operation, key, fault);
    }

    fn join(&mut self) {
        let zone = *ZONES.choose(&mut self.random).expect("three zones");
        let free = (0..PER_ZONE).map(|ordinal| format!("ingester-{zone}-{ordinal}"));
        let known = self.names(INGESTER);
        if let Some(name) = free.into_iter().find(|name| !known.contains(name)) {
            self.note(format!("{name} joins"));
            self.leaving.remove(&name);
            self.cluster.start_ingester(&name);
        }
    }

    fn leave(&mut self, name: String) {
        let stays = |other: &&String| zone(other) == zone(&name) && **other != name && !self.leaving.contains(*other);
        let ingester = self.cluster.processes.lock().ingesters.get(&name).cloned();
        let Some(ingester) = ingester.filter(|ingester| ingester.is_active() && !self.leaving.contains(&name)) else { return };
        if self.names(INGESTER).iter().any(|other| stays(&other)) {
            self.note(format!("{name} leaves"));
            self.leaving.insert(name);
            ingester.life.spawn(ingester.clone().leave());
        }
    }

    /// Everything is mended and comes to rest.
    async fn recover(&mut self) {
        self.note("all is mended".to_owned());
        self.mend(true);
        self.cluster.world.lock().heal_all();
        let names = self.cluster.names();
        for name in &names {
            self.cluster.pause(name, false);
        }
        // Also whoever has just joined takes its place.
        self.cluster.pass(self.cluster.settings.join_grace + Duration::from_secs(4)).await;
        while self.leaving.iter().any(|name| self.cluster.life(name).is_some_and(|life| !life.is_over())) {
            if self.seconds() > 240.0 {
                self.ledger.violation(format!("{:?} do not come to leave", self.leaving));
                break;
            }
            self.cluster.pass(Duration::from_secs(2)).await;
        }
        self.cluster.pass(Duration::from_secs(8)).await;
    }

    /// One zone ends without a word: writes are taken and queries answered all the same.
    async fn one_zone_gone(&mut self) {
        let gone = *ZONES.choose(&mut self.random).expect("three zones");
        self.note(format!("{gone} is gone"));
        let names = self.cluster.names();
        let of_zone: Vec<String> = names.into_iter().filter(|name| zone(name) == gone && !self.has_left(name)).collect();
        for name in &of_zone {
            self.cluster.crash(name);
        }
        self.everybody_answers("with a zone gone").await;
        self.cluster.pass(Duration::from_secs(18)).await;
        for tenant in self.tenants.clone() {
            let row = Row { at: self.cluster.clock.now_ns(), key: self.random.random(), id: self.rows };
            self.rows += 1;
            self.ledger.sent(&tenant, &[row]);
            let mut last = Err(String::new());
            for _ in 0..5 {
                let write = self.cluster.write("distributor-0", &tenant, &[row]);
                last = self.beside(write).await;
                if last.is_ok() {
                    break;
                }
            }
            self.ledger.written(&tenant, &[row], &last);
            if let Err(err) = last {
                self.ledger.violation(format!("with {gone} gone, a write of {tenant} is not taken: {err}"));
            }
        }
        self.everybody_answers("with a zone gone for long").await;
        for name in of_zone {
            self.cluster.start(&name);
        }
        self.cluster.pass(Duration::from_secs(10)).await;
    }

    /// Waits for something while time passes.
    async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.cluster.pass(TICK) => {}
            }
        }
    }

    /// Every querier answers for every tenant. A message of the network may be lost once in a while: not every time.
    async fn everybody_answers(&mut self, when: &str) {
        for querier in self.names("querier") {
            for tenant in self.tenants.clone() {
                let mut last = Err(String::new());
                for _ in 0..8 {
                    let question = self.ledger.ask(&tenant);
                    last = self.beside(self.cluster.query(&querier, &tenant)).await;
                    self.ledger.answered(&format!("{when}, {querier} for {tenant}"), &question, &last);
                    if last.is_ok() {
                        break;
                    }
                }
                if let Err(err) = last {
                    self.ledger.violation(format!("{when}, {querier} does not answer {tenant}: {err}"));
                }
            }
        }
    }

    /// Everything is flushed: the blocks of a reader that starts now hold every acknowledged row, without any ingester.
    async fn all_in_blocks(&mut self) {
        self.note("flush".to_owned());
        let ingesters: Vec<_> = self.cluster.processes.lock().ingesters.values().filter(|one| one.life.runs()).cloned().collect();
        let flushes = join_all(ingesters.iter().map(|one| one.flush()));
        let limit = Duration::from_secs(60);
        if self.beside(tokio::time::timeout(limit, flushes)).await.is_err() {
            self.ledger.violation("a flush does not come to its end".to_owned());
        }
        let catalog = self.cluster.catalog("reader");
        if let Err(err) = self.beside(catalog.refresh()).await {
            self.ledger.violation(format!("a new reader cannot read the catalog: {err}"));
        }
        for tenant in self.tenants.clone() {
            let mut rows = BTreeSet::new();
            for entry in catalog.map().blocks(&tenant, SIGNAL.as_str(), TimeRange::ALL) {
                self.ledger.merged_blocks(u64::from(entry.level > 0));
                let file = &entry.data;
                match self.cluster.memory.get_range(&file.object, file.offset..file.offset + file.len).await {
                    Ok(bytes) => rows.extend(decode(&bytes)),
                    Err(err) => self.ledger.violation(format!("a live block cannot be read: {err}")),
                }
            }
            let answer = Ok(rows.into_iter().collect());
            self.ledger.answered(&format!("the blocks of {tenant} after a flush"), &self.ledger.ask(&tenant), &answer);
        }
        self.everybody_answers("after a flush").await;
    }
}

fn ms(time: Duration) -> i64 {
    HumanDuration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)).as_ms()
}
