//! The names of the roles: one list, so that who looks for a role and who is it mean the same.

/// Takes writes; found by its processes.
pub const DISTRIBUTOR: &str = "distributor";
/// Holds recent rows; a member of the ring.
pub const INGESTER: &str = "ingester";
/// Takes queries; found by its processes.
pub const QUERY_FRONTEND: &str = "query-frontend";
/// Executes parts of queries; found by its processes.
pub const QUERIER: &str = "querier";
/// Scans blocks; a member of the ring.
pub const STORE_GATEWAY: &str = "store-gateway";
/// Keeps the catalog and merges blocks; a member of the ring.
pub const COMPACTOR: &str = "compactor";

/// The roles that are members of the ring.
pub const MEMBERS: [&str; 3] = [INGESTER, STORE_GATEWAY, COMPACTOR];
/// The roles that are no members, and are found by their processes.
pub const PROCESSES: [&str; 3] = [DISTRIBUTOR, QUERY_FRONTEND, QUERIER];
