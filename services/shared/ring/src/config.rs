//! `ring:` in the configuration.

use std::sync::Arc;

use runtime::config::HumanDuration;
use runtime::{Classify, ErrorKind};

use crate::replicas::MAX_REPLICATION_FACTOR;
use crate::view::RingSettings;

runtime::settings! {
    /// `ring:` in the YAML.
    pub struct RingConfig {
        /// Name of this member, unique in the cluster; empty: the id of the server. `<release>-<zone>-<ordinal>` places it by its ordinal.
        pub member: String = String::new(),
        /// Zone of this process; empty where there are no zones.
        pub zone: String = String::new(),
        /// All zones of the cluster; at least as many as replicas, or none.
        pub zones: Vec<String> = Vec::new(),
        /// Replicas of each item, 1 to 8.
        pub replication_factor: usize = 3,
        /// Address on which stateful roles gossip.
        pub bind: String = "0.0.0.0:7946".to_owned(),
        /// Host or address under which others reach this process; empty: that of its first network interface with a route.
        pub advertise: String = String::new(),
        /// Gossip addresses of some members, `host:port`, besides those in the bucket.
        pub join: Vec<String> = Vec::new(),
        /// gRPC addresses of some members, `host:port`, that a process without state may follow besides those in the bucket.
        pub follow: Vec<String> = Vec::new(),
        /// How often a member gossips.
        pub heartbeat: HumanDuration = HumanDuration::from_secs(1),
        /// How long gossip may be silent about a member or a process before it counts as missing.
        pub missing_after: HumanDuration = HumanDuration::from_secs(10),
        /// How long gossip remembers a member that is missing.
        pub dead_grace: HumanDuration = HumanDuration::from_secs(600),
        /// How often the members' objects in the bucket are read.
        pub read_period: HumanDuration = HumanDuration::from_secs(10),
        /// How long a new member stays `joining`, and how old a reader's knowledge of the members may be: so nobody reads past a newcomer.
        pub join_grace: HumanDuration = HumanDuration::from_secs(60),
        /// How long a starting process tries to read the members from the bucket before it gives up.
        pub start_timeout: HumanDuration = HumanDuration::from_secs(300),
    }
}

/// A setting of the ring that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingConfigError {
    /// Not a number of replicas.
    #[error("ring.replication_factor: {0} is not between 1 and {MAX_REPLICATION_FACTOR}")]
    ReplicationFactor(usize),
    /// Zones are configured, and too few for the replicas.
    #[error("ring.zones: {zones} zones cannot hold {replication_factor} replicas in distinct zones")]
    TooFewZones {
        /// How many are named.
        zones: usize,
        /// How many are needed.
        replication_factor: usize,
    },
    /// A zone is named twice.
    #[error("ring.zones: \"{0}\" is named twice")]
    ZoneTwice(String),
    /// The zone of this process is not a zone of the cluster.
    #[error("ring.zone: \"{zone}\" is none of ring.zones")]
    UnknownZone {
        /// The zone.
        zone: String,
    },
    /// A period that would never end or never pause.
    #[error("ring.{0}: must not be 0")]
    Zero(&'static str),
    /// Readers would refuse queries between two readings of the members.
    #[error("ring.join_grace: {join_grace} is less than twice ring.read_period, {read_period}")]
    JoinTooSoon {
        /// The one.
        join_grace: HumanDuration,
        /// The other.
        read_period: HumanDuration,
    },
    /// Members would go missing between two heartbeats.
    #[error("ring.missing_after: {missing_after} is less than twice ring.heartbeat, {heartbeat}")]
    MissingTooSoon {
        /// The one.
        missing_after: HumanDuration,
        /// The other.
        heartbeat: HumanDuration,
    },
}

impl Classify for RingConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::BadInput
    }
}

impl RingConfig {
    /// Checks the settings and returns what all processes of the cluster agree upon.
    ///
    /// * `stateful`: whether this process is a member itself, and so must stand in one of the zones.
    pub fn check(&self, stateful: bool) -> Result<RingSettings, RingConfigError> {
        let factor = self.replication_factor;
        if !(1..=MAX_REPLICATION_FACTOR).contains(&factor) {
            return Err(RingConfigError::ReplicationFactor(factor));
        }
        for (at, zone) in self.zones.iter().enumerate() {
            if self.zones[..at].contains(zone) {
                return Err(RingConfigError::ZoneTwice(zone.clone()));
            }
        }
        if !self.zones.is_empty() && self.zones.len() < factor {
            return Err(RingConfigError::TooFewZones { zones: self.zones.len(), replication_factor: factor });
        }
        if stateful && !self.zones.is_empty() && !self.zones.contains(&self.zone) {
            return Err(RingConfigError::UnknownZone { zone: self.zone.clone() });
        }
        for (name, period) in [("heartbeat", self.heartbeat), ("missing_after", self.missing_after), ("read_period", self.read_period)] {
            if period.is_zero() {
                return Err(RingConfigError::Zero(name));
            }
        }
        if self.missing_after.get() < self.heartbeat.get() * 2 {
            return Err(RingConfigError::MissingTooSoon { missing_after: self.missing_after, heartbeat: self.heartbeat });
        }
        if self.join_grace.get() < self.read_period.get() * 2 {
            return Err(RingConfigError::JoinTooSoon { join_grace: self.join_grace, read_period: self.read_period });
        }
        Ok(RingSettings { replication_factor: factor, zones: Arc::from(self.zones.clone()) })
    }
}

#[cfg(test)]
mod tests;
