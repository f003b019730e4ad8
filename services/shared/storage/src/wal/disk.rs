//! What the log asks of the file system when it writes, as a trait, so that tests can let it fail. Reading needs none.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// A file system.
pub(super) trait Disk: Send + Sync + fmt::Debug {
    /// A new file, open for writing; one that is there is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>>;

    /// Makes names of files that were created, renamed or removed durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// A file that is written from its beginning to its end.
pub(super) trait LogFile: Send {
    /// Writes all of `bytes`, or an unknown part of it and fails.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes everything written durable.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to its first `len` bytes. Nothing is written afterwards.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// The file system of the machine.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn LogFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create(true).truncate(true).open(path)?))
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        // Only Unix can open a directory, and only there it is needed.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

impl LogFile for File {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)?;
        self.sync_data()
    }
}
