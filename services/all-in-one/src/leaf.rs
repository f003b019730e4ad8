//! One process has one `Leaf` service: heads are asked of the ingester, blocks of the store-gateway.

use futures::StreamExt;
use futures::stream::BoxStream;
use ingester::scan::LeafService as Heads;
use proto::quartet as pb;
use proto::quartet::leaf_server::{Leaf, LeafServer};
use store_gateway::scan::LeafService as Blocks;
use tonic::{Request, Response, Status};

/// Both leaves.
#[derive(Clone, Debug)]
pub(crate) struct BothLeaves {
    pub(crate) heads: Heads,
    pub(crate) blocks: Blocks,
}

impl BothLeaves {
    pub(crate) fn server(self, max_message: usize) -> LeafServer<Self> {
        LeafServer::new(self).max_decoding_message_size(max_message).max_encoding_message_size(max_message)
    }
}

#[tonic::async_trait]
impl Leaf for BothLeaves {
    type ScanStream = BoxStream<'static, Result<pb::ScanResponse, Status>>;

    async fn scan(&self, request: Request<pb::ScanRequest>) -> Result<Response<Self::ScanStream>, Status> {
        let answer = if request.get_ref().heads {
            self.heads.scan(request).await?.map(StreamExt::boxed)
        } else {
            self.blocks.scan(request).await?.map(StreamExt::boxed)
        };
        Ok(answer)
    }
}
