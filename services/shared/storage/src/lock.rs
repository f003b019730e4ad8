//! One process per data directory: a lock that the system releases when its holder dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Name of the lock file.
const FILE: &str = "quartet.lock";

/// The directory is ours until this is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why a directory is not ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// A living process holds it.
    #[error("{directory} is in use by {holder}", directory = directory.display(), holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    HeldBy {
        /// The directory.
        directory: PathBuf,
        /// The holder's process id, if it has written it already.
        pid: Option<u32>,
    },
    /// The lock file could not be made.
    #[error("cannot lock {directory}", directory = directory.display())]
    Io {
        /// The directory.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Takes the directory, making it if need be. The file stays when the lock goes: only who holds the lock counts, never whether the file is there.
pub fn lock(directory: &Path) -> Result<Lock, LockError> {
    let io = |source| LockError::Io { directory: directory.to_owned(), source };
    std::fs::create_dir_all(directory).map_err(io)?;
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(directory.join(FILE)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::Error(source)) => return Err(io(source)),
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The holder may be writing it: then its number is not known, and the directory is held all the same.
            let read = file.take(32).read_to_string(&mut text);
            let pid = read.ok().and_then(|_| text.trim().parse().ok());
            return Err(LockError::HeldBy { directory: directory.to_owned(), pid });
        }
    }
    file.set_len(0).map_err(io)?;
    file.rewind().map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    Ok(Lock { _file: file })
}

#[cfg(test)]
mod tests;
