//! The processes of a cluster, each an `App` of its own, and what they share: a bucket and the list of members.

mod member;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics::limits::MetricsLimits;
use ring::{Fixed, Member, MemberState, Membership, Process, RingSettings, Seen};
use runtime::config::HumanDuration;
use runtime::grpc::{Channels, ClientConfig};
use runtime::{App, Role, Running, SystemClock};
use signal::Plugins;
use signal::otlp::Origins;
use storage::block::OpenBlock;
use storage::bucket::{Bucket, Memory};
use storage::catalog::{Announcer, Catalog, CatalogConfig};
use storage::wal::WalConfig;
use tenancy::Overrides;
use tenancy::http::{AuthConfig, Door};

use crate::client::Client;
use member::TownMember;

/// Zones, each with one ingester.
pub(crate) const ZONES: [&str; 3] = ["a", "b", "c"];

/// What all processes have in common, with periods made for tests.
pub(crate) struct Town {
    pub(crate) ring: Arc<Fixed>,
    pub(crate) bucket: Arc<dyn Bucket>,
    pub(crate) limits: MetricsLimits,
    pub(crate) ingester: ingester::IngesterConfig,
    pub(crate) querier: querier::QuerierConfig,
    pub(crate) compactor: compactor::CompactorConfig,
    pub(crate) catalog: CatalogConfig,
    pub(crate) client: Client,
    directories: tempfile::TempDir,
}

/// A process that runs.
pub(crate) struct Started {
    pub(crate) http: SocketAddr,
    pub(crate) catalog: Arc<Catalog>,
    running: Running,
    role: Box<dyn Role>,
}

/// What a process is made of before it serves.
struct Making {
    app: App,
    catalog: Arc<Catalog>,
    channels: Channels,
    plugins: Plugins,
    door: Door,
}

const fn millis(ms: u64) -> HumanDuration {
    HumanDuration::from_millis(ms)
}

impl Town {
    /// A town without processes: RF 3 over three zones.
    pub(crate) fn new() -> Self {
        let zones = ZONES.map(str::to_owned);
        let settings = RingSettings { replication_factor: 3, zones: Arc::from(zones) };
        let catalog = CatalogConfig {
            follow_every: millis(50),
            announce_every: millis(50),
            office_pause: millis(200),
            removal_delay: HumanDuration::from_secs(60),
            ..CatalogConfig::default()
        };
        let ingester = ingester::IngesterConfig {
            cut_check: millis(50),
            keep_after_upload: millis(500),
            upload_retry: millis(100),
            leave_grace: millis(100),
            wal_compact_period: millis(500),
            ..ingester::IngesterConfig::default()
        };
        let querier = querier::QuerierConfig { reconnect: millis(50), ask_all_after: millis(200), ..querier::QuerierConfig::default() };
        let compactor = compactor::CompactorConfig {
            step: millis(50),
            plan_period: millis(200),
            settle: millis(0),
            poll: millis(50),
            ..compactor::CompactorConfig::default()
        };
        Self {
            ring: Arc::new(Fixed::new(settings, Vec::new(), Vec::new())),
            bucket: Arc::new(Memory::new(Arc::new(SystemClock))),
            limits: MetricsLimits { ingestion_rate: 1e9, ingestion_burst_size: 1 << 30, ..MetricsLimits::default() },
            ingester,
            querier,
            compactor,
            catalog,
            client: Client::new(),
            directories: tempfile::tempdir().expect("a directory for tests"),
        }
    }

    async fn making(&self, role: &'static str) -> Making {
        let mut app = App::for_test(role).await.expect("free ports can be bound");
        app.server.shutdown_grace = HumanDuration::from_secs(10);
        let catalog = Catalog::follow(self.bucket.clone(), &self.catalog, app.clock.clone(), &app.tasks, &mut app.registry);
        let deps = metrics::Deps {
            limits: Overrides::fixed(self.limits.clone()),
            clock: app.clock.clone(),
            compute: app.compute.clone(),
            instruments: metrics::instruments::Instruments::register(&mut app.registry),
            ingest: metrics::ingest::IngestConfig::default(),
            ha: None,
            retention: metrics::Retention::default(),
            query: metrics::query::QueryConfig::default(),
        };
        let plugins = Plugins::new(vec![metrics::plugin(&deps)]);
        let channels = Channels::new(&ClientConfig::default()).expect("no TLS, no error");
        let door = Door::new(&AuthConfig::default()).expect("no default tenant");
        Making { app, catalog, channels, plugins, door }
    }

    fn announcer(&self, app: &App) -> Announcer {
        Announcer::start(self.bucket.clone(), &self.catalog, app.clock.clone(), &app.id, &app.tasks)
    }

    fn open(&self) -> OpenBlock {
        let bucket = self.bucket.clone();
        Arc::new(move |entry| storage::block::open(&bucket, entry))
    }

    /// The ingester of a zone; started again, it finds the directory that it left.
    pub(crate) async fn ingester(&self, zone: &str) -> Started {
        let Making { mut app, catalog, plugins, .. } = self.making(ring::roles::INGESTER).await;
        let name = format!("ingester-{zone}-0");
        if !self.knows(&name) {
            // Members of these tests have been there since 1970: their first directory has logs already, so that it is no lost one.
            std::fs::create_dir_all(self.directory(&name).join("wal")).expect("the directory can be made");
        }
        self.admit(member(&app, &name, ring::roles::INGESTER, zone, MemberState::Joining));
        let config = ingester::IngesterConfig { data_dir: self.directory(&name).to_string_lossy().into_owned(), ..self.ingester.clone() };
        let deps = ingester::Deps {
            plugins,
            membership: self.ring.clone(),
            member: Arc::new(TownMember { ring: self.ring.clone(), name }),
            bucket: self.bucket.clone(),
            catalog: catalog.clone(),
            announcer: self.announcer(&app),
            wal: WalConfig::default(),
            join_grace: Duration::ZERO,
        };
        let role = ingester::start(&mut app, &config, deps).expect("the log can be opened");
        self.run(app, catalog, role).await
    }

    pub(crate) async fn distributor(&self) -> Started {
        let Making { mut app, catalog, channels, plugins, door } = self.making("distributor").await;
        self.meet(process(&app, "distributor"));
        let ingesters = Arc::new(distributor::ingesters::Remote::new(channels));
        let deps = distributor::Deps { plugins, door, origins: Origins::default(), membership: self.ring.clone(), ingesters };
        let role = distributor::start(&mut app, &distributor::DistributorConfig::default(), deps);
        self.run(app, catalog, role).await
    }

    pub(crate) async fn query_frontend(&self) -> Started {
        let Making { mut app, catalog, plugins, door, .. } = self.making("query-frontend").await;
        // A connection that comes in at the very moment the listeners close is cut: whoever asks has this long to notice.
        app.server.drain_delay = millis(200);
        self.meet(process(&app, "query-frontend"));
        let (announcer, clock) = (self.announcer(&app), app.clock.clone());
        let deletes = query_frontend::CatalogDeletes { catalog: catalog.clone(), announcer, clock, plugins: plugins.clone() };
        let results = Arc::new(storage::cache::Memory::new(1 << 20));
        let (deletes, cluster_id) = (Arc::new(deletes), "quartet".to_owned());
        let deps = query_frontend::Deps { plugins, door, catalog: catalog.clone(), results, cluster_id, deletes };
        let role = query_frontend::start(&mut app, &query_frontend::QueryFrontendConfig::default(), deps);
        self.run(app, catalog, role).await
    }

    pub(crate) async fn querier(&self) -> Started {
        let Making { mut app, catalog, channels, plugins, .. } = self.making("querier").await;
        let leaves = Arc::new(querier::leaf::Remote::new(channels.clone(), self.querier.leaf_timeout.get()));
        let deps = querier::Deps {
            plugins,
            membership: self.ring.clone(),
            catalog: catalog.clone(),
            channels,
            leaves,
            max_ring_age: Duration::from_secs(60),
        };
        let role = querier::start(&mut app, &self.querier, deps);
        self.run(app, catalog, role).await
    }

    pub(crate) async fn store_gateway(&self, name: &str) -> Started {
        let Making { mut app, catalog, plugins, .. } = self.making("store-gateway").await;
        self.admit(member(&app, name, "store-gateway", "a", MemberState::Active));
        let deps = store_gateway::Deps { plugins, open: self.open(), catalog: catalog.clone() };
        let role = store_gateway::start(&mut app, &store_gateway::StoreGatewayConfig::default(), deps);
        self.run(app, catalog, role).await
    }

    pub(crate) async fn compactor(&self, name: &str) -> Started {
        let Making { mut app, catalog, channels, plugins, door } = self.making("compactor").await;
        self.admit(member(&app, name, "compactor", "a", MemberState::Active));
        let deps = compactor::Deps {
            plugins,
            membership: self.ring.clone(),
            member: name.to_owned(),
            bucket: self.bucket.clone(),
            open: self.open(),
            catalog: catalog.clone(),
            announcer: self.announcer(&app),
            channels,
            members: None,
            max_bytes: 0,
            door,
        };
        let role = compactor::start(&mut app, &self.compactor, deps).expect("the windows are good");
        self.run(app, catalog, role).await
    }

    async fn run(&self, app: App, catalog: Arc<Catalog>, role: impl Role) -> Started {
        let running = app.serve().await;
        running.ready();
        Started { http: running.http, catalog, running, role: Box::new(role) }
    }

    /// The directory of a member.
    pub(crate) fn directory(&self, name: &str) -> std::path::PathBuf {
        self.directories.path().join(name)
    }

    /// Puts a member into the ring, in the place of an earlier one of its name.
    pub(crate) fn admit(&self, member: Member) {
        self.ring.change(|facts| {
            facts.members.retain(|seen| seen.member.name != member.name);
            facts.members.push(Seen { member: Arc::new(member), alive: true, missing_since_ms: None });
        });
    }

    /// Gossip has lost a member.
    pub(crate) fn lose(&self, name: &str) {
        self.ring.change(|facts| {
            for seen in facts.members.iter_mut().filter(|seen| seen.member.name == name) {
                *seen = Seen { alive: false, missing_since_ms: Some(0), ..seen.clone() };
            }
        });
    }

    /// The processes of a role without state are gone.
    pub(crate) fn forget(&self, role: &str) {
        self.ring.change(|facts| facts.processes.retain(|process| process.role != role));
    }

    /// True when there is a member of this name.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.ring.view().facts().members.iter().any(|seen| seen.member.name == name)
    }

    fn meet(&self, process: Process) {
        self.ring.change(|facts| facts.processes.push(process));
    }
}

fn member(app: &App, name: &str, role: &str, zone: &str, state: MemberState) -> Member {
    Member {
        name: name.to_owned(),
        role: role.to_owned(),
        zone: zone.to_owned(),
        http: app.http_addr(),
        grpc: app.grpc_addr(),
        gossip: String::new(),
        signals: vec![metrics::NAME.as_str().to_owned()],
        state,
        since_ms: 0,
        counter: 1,
    }
}

fn process(app: &App, role: &str) -> Process {
    Process { role: role.to_owned(), id: app.id.clone(), http: app.http_addr(), grpc: app.grpc_addr() }
}

impl Started {
    /// What `/metrics` says of an instrument, all its labels together; none: it has not been set.
    pub(crate) async fn gauge(&self, client: &Client, name: &str) -> Option<f64> {
        let page = client.get(self.http, "/metrics", None).await.body;
        let ours = page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
        ours.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).reduce(|sum, value| sum + value)
    }

    /// Stops as at SIGTERM.
    pub(crate) async fn stop(self) -> Result<(), runtime::StopError> {
        self.running.stop_role(self.role).await
    }
}

/// A cluster: one of each role, three ingesters.
pub(crate) struct Cluster {
    pub(crate) town: Town,
    pub(crate) ingesters: Vec<Option<Started>>,
    pub(crate) distributor: Started,
    pub(crate) query_frontend: Started,
    pub(crate) querier: Started,
    pub(crate) store_gateway: Started,
    pub(crate) compactor: Started,
}

impl Cluster {
    /// Starts it and waits until all of it is ready.
    pub(crate) async fn start(town: Town) -> Self {
        let mut ingesters = Vec::new();
        for zone in ZONES {
            ingesters.push(Some(town.ingester(zone).await));
        }
        let cluster = Self {
            ingesters,
            distributor: town.distributor().await,
            query_frontend: town.query_frontend().await,
            querier: town.querier().await,
            store_gateway: town.store_gateway("store-gateway-0").await,
            compactor: town.compactor("compactor-0").await,
            town,
        };
        for process in cluster.ingesters.iter().flatten().chain([
            &cluster.distributor,
            &cluster.query_frontend,
            &cluster.querier,
            &cluster.store_gateway,
            &cluster.compactor,
        ]) {
            cluster.town.client.ready(process.http).await;
        }
        cluster
    }

    /// Stops the ingester of a zone; the ring still counts on it.
    pub(crate) async fn stop_ingester(&mut self, zone: usize) {
        let ingester = self.ingesters[zone].take().expect("it runs");
        ingester.stop().await.expect("it stops in order");
    }

    /// Starts the ingester of a zone again, and waits until it is ready.
    pub(crate) async fn start_ingester(&mut self, zone: usize) {
        let ingester = self.town.ingester(ZONES[zone]).await;
        self.town.client.ready(ingester.http).await;
        self.ingesters[zone] = Some(ingester);
    }

    /// Stops the compactor, and starts it again.
    pub(crate) async fn restart_compactor(self) -> Self {
        let Self { compactor, .. } = self;
        compactor.stop().await.expect("it stops in order");
        let cluster = Self { compactor: self.town.compactor("compactor-0").await, ..self };
        cluster.town.client.ready(cluster.compactor.http).await;
        cluster
    }

    /// Takes all heads into blocks, and waits until the catalog has them.
    pub(crate) async fn flush(&self) {
        for ingester in self.ingesters.iter().flatten() {
            let answer = self.town.client.post(ingester.http, "/ingester/flush?wait=true", None, Vec::new()).await;
            assert_eq!(answer.status, 204, "{answer:?}");
        }
    }

    /// Stops everything; each process within its grace and without work left behind.
    pub(crate) async fn stop(self) {
        let Self { ingesters, distributor, query_frontend, querier, store_gateway, compactor, town } = self;
        for process in [distributor, query_frontend, querier, compactor, store_gateway].into_iter().chain(ingesters.into_iter().flatten()) {
            let begun = tokio::time::Instant::now();
            process.stop().await.expect("it leaves no work behind");
            assert!(begun.elapsed() < Duration::from_secs(5), "a process without work stops at once");
        }
        drop(town);
    }
}

/// The time of day, ms.
pub(crate) fn now_ms() -> i64 {
    use runtime::Clock;
    SystemClock.now_ms()
}
