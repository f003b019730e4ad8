//! A role's place in the cluster in one step: membership, service, pages and instruments of an [`App`].

use std::sync::Arc;

use runtime::grpc::{Channels, ClientConfig};
use runtime::tls::{self, ServerTls};
use runtime::{App, StartError};
use storage::bucket::Bucket;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::cluster::{Cluster, Environment, Identity};
use crate::config::RingConfig;
use crate::gossip::GossipTls;
use crate::member::{Member, MemberState, Process};
use crate::membership::{Fixed, Membership};
use crate::metrics::RingMetrics;
use crate::pages::{self, Pages};
use crate::store::BucketStore;
use crate::view::RingSettings;

/// What a place in the cluster is made of.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// `ring:`.
    pub config: &'a RingConfig,
    /// `client:`.
    pub client: &'a ClientConfig,
    /// The id of the cluster: members of another one are not spoken to.
    pub cluster_id: &'a str,
    /// Where the members' objects are.
    pub bucket: Arc<dyn Bucket>,
    /// The signals that this process serves.
    pub signals: Vec<String>,
}

/// TLS was configured for one direction of gossip only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("members gossip over TLS only with both server.tls.cert_file and client.tls.enabled")]
struct HalfTls;

/// A stateful process: joins the ring as `joining`; see [`Cluster::join`]. To be called before the ports are served.
pub async fn member(app: &mut App, setup: Setup<'_>) -> Result<Cluster, StartError> {
    let tls = gossip_tls(app, setup.client)?;
    let environment = environment(app, &setup);
    let identity = Identity::of(app, setup.signals);
    let joined = Box::pin(Cluster::join(identity, setup.config, environment, tls)).await;
    let cluster = joined.map_err(|err| StartError::new("join the ring", err))?;
    if let Some(service) = cluster.service(app.draining()) {
        app.grpc.add(service.max_encoding_message_size(app.grpc_max_message()));
    }
    mount(app, Arc::new(cluster.clone()), Some(cluster.clone()));
    Ok(cluster)
}

/// A process without state: follows the ring; see [`Cluster::follow`].
pub async fn process(app: &mut App, setup: Setup<'_>, channels: &Channels) -> Result<Cluster, StartError> {
    let environment = environment(app, &setup);
    let identity = Identity::of(app, setup.signals);
    let followed = Box::pin(Cluster::follow(identity, setup.config, environment, channels.clone())).await;
    let cluster = followed.map_err(|err| StartError::new("follow the ring", err))?;
    mount(app, Arc::new(cluster.clone()), Some(cluster.clone()));
    Ok(cluster)
}

/// All roles in one process: a member of each stateful role and a process of each other, named `<role>-0`, all of them this
/// process, each item once.
pub fn alone(app: &mut App, stateful: &[&str], stateless: &[&str], signals: &[String]) -> Arc<Fixed> {
    let identity = Identity::of(app, signals.to_vec());
    let member = |role: &&str| Member {
        name: format!("{role}-0"),
        role: (*role).to_owned(),
        zone: String::new(),
        http: identity.http.clone(),
        grpc: identity.grpc.clone(),
        gossip: String::new(),
        signals: identity.signals.clone(),
        state: MemberState::Active,
        since_ms: app.clock.now_ms(),
        counter: 1,
    };
    let settings = RingSettings { replication_factor: 1, zones: Arc::default() };
    let process = |role: &&str| Process {
        role: (*role).to_owned(),
        id: format!("{role}-0"),
        http: identity.http.clone(),
        grpc: identity.grpc.clone(),
    };
    let (members, processes) = (stateful.iter().map(member).collect(), stateless.iter().map(process).collect());
    let fixed = Arc::new(Fixed::new(settings, members, processes));
    RingMetrics::register(&mut app.registry).show(&fixed.view());
    mount(app, fixed.clone(), None);
    fixed
}

fn environment(app: &mut App, setup: &Setup<'_>) -> Environment {
    Environment {
        cluster_id: setup.cluster_id.to_owned(),
        store: Arc::new(BucketStore::new(setup.bucket.clone(), app.clock.clone())),
        clock: app.clock.clone(),
        tasks: app.tasks.clone(),
        metrics: RingMetrics::register(&mut app.registry),
    }
}

fn mount(app: &mut App, membership: Arc<dyn Membership>, cluster: Option<Cluster>) {
    let pages = Pages { membership, cluster, clock: app.clock.clone() };
    pages::mount(&mut app.http, pages);
    app.page("/ring", "Ring: members, their state and what they own");
    app.page("/cluster", "Cluster: live processes of all roles");
}

/// TLS of gossip: the certificates of the servers, and the authorities of the channels.
fn gossip_tls(app: &App, client: &ClientConfig) -> Result<Option<GossipTls>, StartError> {
    let failed = |err| StartError::new("set up TLS of gossip", err);
    let server = ServerTls::load(&app.server.tls).map_err(failed)?;
    let (server, client_config) = match (server, tls::client_config(&client.tls).map_err(failed)?) {
        (Some(server), Some(client)) => (server, client),
        (None, None) => return Ok(None),
        _ => return Err(StartError::new("set up TLS of gossip", HalfTls)),
    };
    server.watch(&app.tasks);
    let name = match client.tls.server_name.as_str() {
        "" => None,
        name => Some(ServerName::try_from(name.to_owned()).map_err(|err| StartError::new("read client.tls.server_name", err))?),
    };
    Ok(Some(GossipTls::new(server, &client_config, name)))
}
