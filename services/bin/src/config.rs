//! The configuration of a process of a cluster: one tree for all roles, so that one file serves all of them.

use std::collections::BTreeMap;

use all_in_one::SelfScrapeConfig;
use compactor::CompactorConfig;
use distributor::DistributorConfig;
use ingester::IngesterConfig;
use node::{ClusterConfig, Settings};
use querier::QuerierConfig;
use query_frontend::QueryFrontendConfig;
use ring::RingConfig;
use runtime::config::{ByteSize, ConfigError, HumanDuration, Setting, SettingDoc, Tree};
use runtime::grpc::ClientConfig;
use runtime::server::ServerConfig;
use runtime::settings;
use runtime::telemetry::TelemetryConfig;
use signal::otlp::OtlpConfig;
use signals::{IngestConfig, LimitsConfig, QueriesConfig, Retention, Sections};
use storage::bucket::{LocalConfig, StorageConfig};
use storage::cache::CacheConfig;
use storage::catalog::CatalogConfig;
use storage::wal::WalConfig;
use store_gateway::StoreGatewayConfig;
use tenancy::http::{AuthConfig, FederationConfig};
use tenancy::overrides::OverridesConfig;

settings! {
    /// The configuration of a process.
    pub struct Config {
        /// Ports, TLS and shutdown of the process.
        pub server: ServerConfig = ServerConfig::default(),
        /// Logs.
        pub telemetry: TelemetryConfig = TelemetryConfig::default(),
        /// How tenants are told apart.
        pub auth: AuthConfig = AuthConfig::default(),
        /// The ports of the OpenTelemetry protocol, of all signals.
        pub otlp: OtlpConfig = OtlpConfig::default(),
        /// Reads that span several tenants.
        pub tenant_federation: FederationConfig = FederationConfig::default(),
        /// The signals that are served; empty: all.
        pub signals: Vec<String> = Vec::new(),
        /// Limits of tenants that no overrides file names.
        pub limits: LimitsConfig = LimitsConfig::default(),
        /// How write requests are taken in.
        pub ingest: IngestConfig = IngestConfig::default(),
        /// How queries are planned and evaluated.
        pub queries: QueriesConfig = QueriesConfig::default(),
        /// Files that name limits of single tenants.
        pub overrides: OverridesConfig = OverridesConfig::default(),
        /// The cluster that this process belongs to.
        pub cluster: ClusterConfig = ClusterConfig::default(),
        /// Where objects are kept.
        pub storage: StorageConfig = StorageConfig::default(),
        /// The log of blocks.
        pub catalog: CatalogConfig = CatalogConfig::default(),
        /// Caches of blocks.
        pub cache: CacheConfig = CacheConfig::default(),
        /// Channels to other processes.
        pub client: ClientConfig = ClientConfig::default(),
        /// Members, zones, replicas.
        pub ring: RingConfig = RingConfig::default(),
        /// The write-ahead log of ingesters.
        pub wal: WalConfig = WalConfig::default(),
        /// Receive, validate, shard, replicate.
        pub distributor: DistributorConfig = DistributorConfig::default(),
        /// Recent data.
        pub ingester: IngesterConfig = IngesterConfig::default(),
        /// Execute sub-queries.
        pub querier: QuerierConfig = QuerierConfig::default(),
        /// Split and queue queries.
        pub query_frontend: QueryFrontendConfig = QueryFrontendConfig::default(),
        /// Scan blocks.
        pub store_gateway: StoreGatewayConfig = StoreGatewayConfig::default(),
        /// Keep the catalog, merge blocks.
        pub compactor: CompactorConfig = CompactorConfig::default(),
        /// Own metrics as series; only the all-in-one does that.
        pub self_scrape: SelfScrapeConfig = SelfScrapeConfig::default(),
    }
}

/// The same tree with the defaults of the all-in-one: no authentication, pages of all origins may push by OTLP, alias ports, 15 days and 20 GiB on the local disk.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AllInOneConfig(pub Config);

impl Default for AllInOneConfig {
    fn default() -> Self {
        let alias = ALIASES.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        let storage = StorageConfig {
            url: "file://./data/store".to_owned(),
            local: LocalConfig { max_bytes: ByteSize(20 << 30) },
            ..StorageConfig::default()
        };
        let compactor =
            CompactorConfig { alone: true, default_retention: HumanDuration::from_secs(15 * 86_400), ..CompactorConfig::default() };
        Self(Config {
            server: ServerConfig { alias, ..ServerConfig::default() },
            otlp: OtlpConfig { cors_allowed_origins: vec!["*".to_owned()], ..OtlpConfig::default() },
            auth: AuthConfig { enabled: false, ..AuthConfig::default() },
            catalog: CatalogConfig { announce_every: HumanDuration::from_secs(1), ..CatalogConfig::default() },
            storage,
            compactor,
            ..Config::default()
        })
    }
}

/// Ports on which single APIs are served at the root.
pub const ALIASES: [(&str, u16); 1] = [("prometheus", 9090)];

impl Setting for AllInOneConfig {
    fn describe(&self, at: &str, doc: &str, out: &mut Vec<SettingDoc>) {
        self.0.describe(at, doc, out);
    }
}

impl Config {
    /// The sections that concern signals.
    #[must_use]
    pub fn sections(&self) -> Sections<'_> {
        Sections {
            signals: &self.signals,
            limits: &self.limits,
            overrides: &self.overrides,
            ingest: &self.ingest,
            queries: &self.queries,
            retention: Retention { age: self.compactor.default_retention, bytes: self.storage.max_bytes() },
        }
    }

    /// A querier may know the catalog as it was `querier.max_catalog_age` ago: whoever gives rows away must still be asked for so long.
    fn check_graces(&self) -> Result<(), ConfigError> {
        let age = self.querier.max_catalog_age;
        let graces = [("ingester.keep_after_upload", self.ingester.keep_after_upload), ("ingester.leave_grace", self.ingester.leave_grace)];
        match graces.into_iter().find(|(_, grace)| grace.get() <= age.get()) {
            Some((key, grace)) => Err(ConfigError::invalid(key, format!("{grace} is not more than querier.max_catalog_age, {age}"))),
            None => Ok(()),
        }
    }

    /// The sections that every process has.
    #[must_use]
    pub fn node(&self) -> Settings<'_> {
        let Self { cluster, storage, catalog, cache, client, ring, .. } = self;
        Settings { cluster, storage, catalog, cache, client, ring }
    }
}

impl Tree for Config {
    fn server(&self) -> &ServerConfig {
        &self.server
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.telemetry
    }

    fn ports(&self) -> BTreeMap<&'static str, u16> {
        self.otlp.ports()
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.sections().check()?;
        self.otlp.origins()?;
        self.check_graces()?;
        compactor::windows(&self.compactor).map(drop)
    }
}

impl Tree for AllInOneConfig {
    fn server(&self) -> &ServerConfig {
        &self.0.server
    }

    fn telemetry(&self) -> &TelemetryConfig {
        &self.0.telemetry
    }

    fn ports(&self) -> BTreeMap<&'static str, u16> {
        self.0.ports()
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.0.check()
    }
}
