//! What the internal API carries beside its messages: the tenant, as metadata.

use tenancy::TenantId;
use tenancy::http::TENANT_HEADER;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Status};

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
