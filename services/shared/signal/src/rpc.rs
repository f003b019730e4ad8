//! What the internal API carries beside its messages, the tenant as metadata, and what is written alike in several of them.

use bytes::Bytes;
use storage::catalog::NumberedDelete;
use tenancy::TenantId;
use tenancy::http::TENANT_HEADER;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Status};

use crate::InstanceLimit;

/// The metadata key that carries [`InstanceLimit::word`].
const LIMIT: &str = "quartet-instance-limit";

/// The tenant of a call.
pub fn tenant(metadata: &MetadataMap) -> Result<TenantId, Status> {
    let name = metadata.get(TENANT_HEADER).ok_or_else(|| Status::unauthenticated("no org id"))?;
    let name = name.to_str().map_err(|err| Status::invalid_argument(err.to_string()))?;
    TenantId::parse(name).map_err(|err| Status::invalid_argument(err.to_string()))
}

/// A call on behalf of a tenant.
pub fn request<T>(tenant: &TenantId, message: T) -> Result<Request<T>, Status> {
    let mut request = Request::new(message);
    let name = MetadataValue::try_from(tenant.as_str()).map_err(|_| Status::internal("a tenant's name is no header value"))?;
    request.metadata_mut().insert(TENANT_HEADER, name);
    Ok(request)
}

/// The answer of an ingester that is at a limit of its own.
#[must_use]
pub fn with_limit(mut status: Status, limit: InstanceLimit) -> Status {
    status.metadata_mut().insert(LIMIT, MetadataValue::from_static(limit.word()));
    status
}

/// The limit that [`with_limit`] put there.
#[must_use]
pub fn limit(status: &Status) -> Option<InstanceLimit> {
    InstanceLimit::of(status.metadata().get(LIMIT)?.to_str().ok()?)
}

/// Deletes of rows as a scan's request carries them.
pub fn encode_deletes(deletes: &[NumberedDelete]) -> Bytes {
    if deletes.is_empty() {
        return Bytes::new();
    }
    serde_json::to_vec(deletes).expect("numbers and texts are JSON, and memory takes them").into()
}

/// Reads [`encode_deletes`]'s bytes.
pub fn decode_deletes(bytes: &[u8]) -> Result<Vec<NumberedDelete>, Status> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_slice(bytes).map_err(|err| Status::invalid_argument(format!("deletes: {err}")))
}
