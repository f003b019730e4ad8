//! Every key below `storage.prefix`: how it is written, and how it is read back. Whoever removes objects touches only
//! keys that [`parse`] knows.

use tenancy::TenantId;
use ulid::Ulid;

use crate::block::{BlockId, SignalId};

/// The marker: cluster id and format version.
pub const MARKER: &str = "quartet.json";
/// Folder of the ring's members.
pub const RING: &str = "ring/";
/// Folder of the blocks that have objects of their own.
pub const TENANTS: &str = "tenants/";
/// Folder of the objects that hold small blocks of many tenants.
pub const PACKED: &str = "packed/";
/// Folder of what writers announce.
pub const INBOX: &str = "catalog/inbox/";
/// Folder of the numbered log.
pub const LOG: &str = "catalog/log/";
/// Folder of the parts of snapshots.
pub const PART: &str = "catalog/part/";
/// Folder of the roots of snapshots.
pub const ROOT: &str = "catalog/root/";
/// Folder of the deletes of rows.
pub const DELETES: &str = "catalog/deletes/";
/// Folder of what compactors try out at their start.
pub const PROBE: &str = "catalog/probe/";
/// While it exists no compactor leads: the catalog is being rebuilt.
pub const REBUILDING: &str = "catalog/rebuilding.json";

/// Folder of what processes of one signal share beside blocks.
pub const SHARED: &str = "shared/";

/// Folder of the blocks of other systems that clients upload.
pub const UPLOADS: &str = "uploads/";
/// Folder of the notes about blocks of other systems that were taken over.
pub const IMPORTED: &str = "import/";

/// A snapshot has this many parts.
pub const PARTS: usize = 256;

/// A file of a block that has objects of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlockFile {
    /// `data.parquet`.
    Data,
    /// `index`.
    Index,
    /// `meta.json`, written last.
    Meta,
}

impl BlockFile {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 3] = [Self::Data, Self::Index, Self::Meta];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data.parquet",
            Self::Index => "index",
            Self::Meta => "meta.json",
        }
    }
}

/// What a key of our layout names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// `quartet.json`.
    Marker,
    /// `ring/<member>.json`.
    Member(String),
    /// A file of a block.
    Block {
        /// Whose.
        tenant: TenantId,
        /// Of which signal.
        signal: SignalId,
        /// Its name.
        id: BlockId,
        /// Which file.
        file: BlockFile,
    },
    /// `packed/<signal>/<ulid>`.
    Packed {
        /// Of which signal.
        signal: SignalId,
        /// The object's name.
        id: Ulid,
    },
    /// `catalog/inbox/<ulid>`.
    Inbox(Ulid),
    /// `catalog/log/<seq>`.
    Log(u64),
    /// `catalog/part/<seq>/<part>`.
    Part {
        /// The number at which it was taken.
        number: u64,
        /// Which of the [`PARTS`].
        part: u8,
    },
    /// `catalog/root/<seq>`.
    Root(u64),
    /// `catalog/deletes/<seq>`.
    Deletes(u64),
    /// `catalog/probe/<name>`.
    Probe(String),
    /// `catalog/rebuilding.json`.
    Rebuilding,
    /// `shared/<signal>/<path>`: the path is the signal's affair.
    Shared {
        /// Of which signal.
        signal: SignalId,
        /// What stands behind it.
        path: String,
    },
    /// `uploads/<tenant>/<signal>/<ulid>/<path>`: the path is the compactor's affair.
    Upload {
        /// Whose it becomes.
        tenant: TenantId,
        /// Of which signal.
        signal: SignalId,
        /// The block's name in the other system.
        id: Ulid,
        /// What stands behind it.
        path: String,
    },
    /// `import/<tenant>/<ulid>.json`.
    Imported {
        /// Whose it became.
        tenant: TenantId,
        /// The block's name in the other system.
        id: Ulid,
    },
}

/// `ring/<member>.json`.
#[must_use]
pub fn member(name: &str) -> String {
    format!("{RING}{name}.json")
}

/// `tenants/<tenant>/<signal>/`.
#[must_use]
pub fn blocks(tenant: &TenantId, signal: &str) -> String {
    format!("{TENANTS}{tenant}/{signal}/")
}

/// A file of a block.
#[must_use]
pub fn block(tenant: &TenantId, signal: &str, id: BlockId, file: BlockFile) -> String {
    format!("{TENANTS}{tenant}/{signal}/{id}/{}", file.as_str())
}

/// `packed/<signal>/<ulid>`.
#[must_use]
pub fn packed(signal: &str, id: Ulid) -> String {
    format!("{PACKED}{signal}/{id}")
}

/// `catalog/inbox/<ulid>`.
#[must_use]
pub fn inbox(id: Ulid) -> String {
    format!("{INBOX}{id}")
}

/// `catalog/log/<seq>`; numbers have leading zeros, so that keys sort as they do.
#[must_use]
pub fn log(number: u64) -> String {
    format!("{LOG}{number:020}")
}

/// `catalog/part/<seq>/<part>`.
#[must_use]
pub fn part(number: u64, part: u8) -> String {
    format!("{PART}{number:020}/{part:03}")
}

/// `catalog/root/<seq>`.
#[must_use]
pub fn root(number: u64) -> String {
    format!("{ROOT}{number:020}")
}

/// `catalog/deletes/<seq>`.
#[must_use]
pub fn deletes(number: u64) -> String {
    format!("{DELETES}{number:020}")
}

/// `catalog/probe/<name>`.
#[must_use]
pub fn probe(name: &str) -> String {
    format!("{PROBE}{name}")
}

/// `shared/<signal>/<path>`.
#[must_use]
pub fn shared(signal: &str, path: &str) -> String {
    format!("{SHARED}{signal}/{path}")
}

/// `uploads/<tenant>/<signal>/<ulid>/`.
#[must_use]
pub fn upload(tenant: &TenantId, signal: &str, id: Ulid) -> String {
    format!("{UPLOADS}{tenant}/{signal}/{id}/")
}

/// `import/<tenant>/<ulid>.json`.
#[must_use]
pub fn imported(tenant: &TenantId, id: Ulid) -> String {
    format!("{IMPORTED}{tenant}/{id}.json")
}

/// The part of a snapshot that holds a tenant. Never changes: snapshots of earlier releases depend on it.
#[must_use]
pub fn part_of(tenant: &TenantId) -> u8 {
    let [first, ..] = xxhash_rust::xxh64::xxh64(tenant.as_str().as_bytes(), 0).to_le_bytes();
    first
}

/// Reads a key back; `None` for everything that the functions of this module do not write, to the letter.
#[must_use]
pub fn parse(key: &str) -> Option<Key> {
    let parsed = match *key.split('/').collect::<Vec<_>>().as_slice() {
        [MARKER] => Key::Marker,
        ["catalog", "rebuilding.json"] => Key::Rebuilding,
        ["ring", name] => Key::Member(name.strip_suffix(".json").filter(|name| !name.is_empty())?.to_owned()),
        ["tenants", tenant, signal, id, file] => Key::Block {
            tenant: TenantId::parse(tenant).ok()?,
            signal: SignalId::parse(signal)?,
            id: BlockId(id.parse().ok()?),
            file: BlockFile::ALL.into_iter().find(|known| known.as_str() == file)?,
        },
        ["packed", signal, id] => Key::Packed { signal: SignalId::parse(signal)?, id: id.parse().ok()? },
        ["catalog", "inbox", id] => Key::Inbox(id.parse().ok()?),
        ["catalog", "log", number] => Key::Log(number.parse().ok()?),
        ["catalog", "part", number, part] => Key::Part { number: number.parse().ok()?, part: part.parse().ok()? },
        ["catalog", "root", number] => Key::Root(number.parse().ok()?),
        ["catalog", "deletes", number] => Key::Deletes(number.parse().ok()?),
        ["shared", signal, ref path @ ..] if !path.is_empty() && path.iter().all(|segment| !segment.is_empty()) => {
            Key::Shared { signal: SignalId::parse(signal)?, path: path.join("/") }
        }
        ["uploads", tenant, signal, id, ref path @ ..] if !path.is_empty() && path.iter().all(|segment| !segment.is_empty()) => {
            Key::Upload {
                tenant: TenantId::parse(tenant).ok()?,
                signal: SignalId::parse(signal)?,
                id: id.parse().ok()?,
                path: path.join("/"),
            }
        }
        ["import", tenant, name] => Key::Imported { tenant: TenantId::parse(tenant).ok()?, id: name.strip_suffix(".json")?.parse().ok()? },
        ["catalog", "probe", name] if !name.is_empty() => Key::Probe(name.to_owned()),
        _ => return None,
    };
    // ULIDs and numbers have several spellings; only the one that we write is ours.
    (parsed.to_string() == key).then_some(parsed)
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = match self {
            Self::Marker => MARKER.to_owned(),
            Self::Member(name) => member(name),
            Self::Block { tenant, signal, id, file } => block(tenant, signal, *id, *file),
            Self::Packed { signal, id } => packed(signal, *id),
            Self::Inbox(id) => inbox(*id),
            Self::Log(number) => log(*number),
            Self::Part { number, part: index } => part(*number, *index),
            Self::Root(number) => root(*number),
            Self::Deletes(number) => deletes(*number),
            Self::Probe(name) => probe(name),
            Self::Rebuilding => REBUILDING.to_owned(),
            Self::Shared { signal, path } => shared(signal.as_str(), path),
            Self::Upload { tenant, signal, id, path } => upload(tenant, signal.as_str(), *id) + path,
            Self::Imported { tenant, id } => imported(tenant, *id),
        };
        f.write_str(&key)
    }
}

#[cfg(test)]
mod tests;
