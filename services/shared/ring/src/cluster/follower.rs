//! What a process without state does: it follows the streams of two members, and says that it is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use parking_lot::Mutex;
use proto::quartet::Hello;
use proto::quartet::ring_admin_client::RingAdminClient;
use rand::seq::IndexedRandom;
use runtime::Chain;
use runtime::grpc::{ChannelError, Channels};
use tokio_stream::wrappers::IntervalStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::debug;

use super::Shared;
use crate::gossip::{Heard, Life};
use crate::view::Facts;

/// Streams that are followed where there are as many members.
const STREAMS: usize = 2;

/// The streams of one process.
#[derive(Debug)]
struct Streams {
    shared: Arc<Shared>,
    channels: Channels,
    slots: Mutex<[Slot; STREAMS]>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The member that is followed, or is being reached.
    address: Option<String>,
    /// What it said last, while its stream lives.
    facts: Option<Facts>,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("reach the member")]
    Channel(#[from] ChannelError),
    #[error("follow the member")]
    Stream(#[source] Box<Status>),
    #[error("understand the member")]
    Facts(#[from] serde_json::Error),
    #[error("the member ended the stream")]
    Ended,
}

/// Follows until the process stops.
pub(super) fn run(shared: &Arc<Shared>, channels: &Channels) {
    let streams = Arc::new(Streams { shared: shared.clone(), channels: channels.clone(), slots: Mutex::default() });
    for slot in 0..STREAMS {
        let streams = streams.clone();
        shared.environment.tasks.spawn("follow the ring", async move {
            let stop = streams.shared.environment.tasks.stopping();
            stop.run_until_cancelled(streams.follow(slot)).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }
}

impl Streams {
    /// Follows one member after another in a slot, for ever.
    async fn follow(&self, slot: usize) {
        loop {
            if let Some(address) = self.choose(slot) {
                let err = match self.stream(slot, &address).await {
                    Ok(never) => match never {},
                    Err(err) => err,
                };
                debug!(error = %Chain(&err), address, "a stream of the ring ended");
                self.slots.lock()[slot] = Slot::default();
                self.tell();
            }
            tokio::time::sleep(self.shared.config.heartbeat.get()).await;
        }
    }

    /// A member that no other slot follows: a living one if any is known, else any, else one of the configuration.
    fn choose(&self, slot: usize) -> Option<String> {
        let view = self.shared.views.borrow().clone();
        let mut slots = self.slots.lock();
        let free = |address: &&str| slots.iter().all(|other| other.address.as_deref() != Some(*address));
        let members = |alive: bool| {
            let members = view.facts().members.iter().filter(move |seen| seen.alive == alive);
            members.map(|seen| seen.member.grpc.as_str()).filter(free).collect::<Vec<_>>()
        };
        let configured = || self.shared.config.follow.iter().map(String::as_str).filter(free).collect::<Vec<_>>();
        let mut random = rand::rng();
        let chosen = [members(true), members(false), configured()].iter().find_map(|some| some.choose(&mut random).copied())?.to_owned();
        slots[slot].address = Some(chosen.clone());
        Some(chosen)
    }

    async fn stream(&self, slot: usize, address: &str) -> Result<std::convert::Infallible, StreamError> {
        let process = self.shared.identity.process();
        let hello = Hello { role: process.role, id: process.id, http: process.http, grpc: process.grpc };
        // The connection goes on sending what it was given, also when nobody reads the answer any more: hellos end with this call.
        let over = CancellationToken::new();
        let _over_at_the_end = over.clone().drop_guard();
        let beats = IntervalStream::new(tokio::time::interval(self.shared.config.heartbeat.get()));
        let hellos = beats.map(move |_| hello.clone()).take_until(over.cancelled_owned());
        let mut client = RingAdminClient::new(self.channels.get(address)?).max_decoding_message_size(self.channels.max_message());
        let failed = |status| StreamError::Stream(Box::new(status));
        let mut views = client.watch(hellos).await.map_err(failed)?.into_inner();
        while let Some(view) = views.message().await.map_err(failed)? {
            let facts: Facts = serde_json::from_slice(&view.json)?;
            self.slots.lock()[slot].facts = Some(facts);
            self.tell();
        }
        Err(StreamError::Ended)
    }

    /// Tells the process what its streams say together; what they last said stays when there is none left.
    fn tell(&self) {
        let heard = {
            let slots = self.slots.lock();
            let facts: Vec<&Facts> = slots.iter().filter_map(|slot| slot.facts.as_ref()).collect();
            if facts.is_empty() { None } else { Some(merge(&facts)) }
        };
        if let Some(heard) = heard {
            self.shared.hear(heard);
        }
    }
}

/// What several members say together: somebody is alive if one of them sees it, for another may be cut off.
fn merge(said: &[&Facts]) -> Heard {
    let mut members: BTreeMap<String, Life> = BTreeMap::new();
    for seen in said.iter().flat_map(|facts| &facts.members) {
        let life = members.entry(seen.member.name.clone()).or_insert_with(|| Life {
            alive: false,
            missing_since_ms: None,
            member: seen.member.clone(),
        });
        life.alive |= seen.alive;
        life.missing_since_ms = life.missing_since_ms.max(seen.missing_since_ms);
        if seen.member.counter > life.member.counter {
            life.member = seen.member.clone();
        }
    }
    let processes = said.iter().flat_map(|facts| facts.processes.iter().cloned()).collect();
    Heard { members, processes }
}

#[cfg(test)]
mod tests;
