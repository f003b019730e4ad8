//! The folder of one upload in the bucket.
//!
//! ```text
//! uploads/<tenant>/<signal>/<ulid>/
//!   about               what was said of it at its beginning
//!   files/<name>        a file that is whole: its length, and where its parts are
//!   parts/<ulid>/<no>   the bytes of files
//!   state.json          who turns it into blocks, or why nobody can
//!   steps/<from>        what became of a part of it: blocks, which nobody knows yet, and where the next step begins
//! ```
//!
//! A step is created only if its beginning has none: of two processes that work on one upload the second finds what the first has done,
//! and the steps from 0 on hold each row once.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use signal::{DepotError, UploadId};
use storage::block::Ranged;
use storage::bucket::{Bucket, Created};
use storage::catalog::Entry;
use storage::layout;
use ulid::Ulid;

use super::parts::{self, FileNote, PART_BYTES};

/// `state.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Progress {
    /// It becomes blocks.
    Converting {
        /// The member that works on it.
        by: String,
        /// When it last said so, milliseconds since the Unix epoch.
        beat_ms: i64,
    },
    /// It cannot become blocks.
    Failed {
        /// Why not.
        error: String,
    },
}

/// What became of a part of an upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Logged {
    /// Where the next part begins.
    pub(super) next: u64,
    /// The blocks, which are in the bucket.
    pub(super) entries: Vec<Entry>,
}

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    bucket: Arc<dyn Bucket>,
    /// Ends in `/`.
    prefix: String,
}

impl Folder {
    pub(super) fn of(bucket: &Arc<dyn Bucket>, upload: &UploadId) -> Self {
        Self { bucket: bucket.clone(), prefix: layout::upload(&upload.tenant, upload.signal.as_str(), upload.id) }
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, DepotError> {
        match self.bucket.get(key).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(err) if err.is_not_found() => Ok(None),
            Err(err) => Err(err.into()),
        }
    }

    async fn read<T: DeserializeOwned>(&self, key: String) -> Result<Option<T>, DepotError> {
        let Some(bytes) = self.get(&key).await? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|source| DepotError::Damaged { key, source })
    }

    /// What was said of the upload at its beginning; none: it was not begun.
    pub(super) async fn about(&self) -> Result<Option<Bytes>, DepotError> {
        self.get(&self.key("about")).await
    }

    pub(super) async fn begin(&self, about: Bytes) -> Result<(), DepotError> {
        Ok(self.bucket.put(&self.key("about"), about).await?)
    }

    /// What is done with it; none: files may come.
    pub(super) async fn progress(&self) -> Result<Option<Progress>, DepotError> {
        self.read(self.key("state.json")).await
    }

    /// Says what is done with it, if nobody has said anything yet. True: nobody had.
    pub(super) async fn claim(&self, progress: &Progress) -> Result<bool, DepotError> {
        Ok(self.bucket.create(&self.key("state.json"), json(progress)).await? == Created::Created)
    }

    /// Says what is done with it.
    pub(super) async fn set(&self, progress: &Progress) -> Result<(), DepotError> {
        Ok(self.bucket.put(&self.key("state.json"), json(progress)).await?)
    }

    /// Keeps a file.
    ///
    /// * `parts`: a name that was never used before.
    pub(super) async fn store(&self, name: &str, len: u64, parts: Ulid, body: Body) -> Result<(), DepotError> {
        let key = self.key(&format!("files/{name}"));
        let note = parts::write(&*self.bucket, &self.prefix, len, PART_BYTES, parts, body).await?;
        let before = self.read::<FileNote>(key.clone()).await?;
        self.bucket.put(&key, json(&note)).await?;
        match before {
            // It was sent again.
            Some(before) => Ok(parts::remove(&*self.bucket, &self.prefix, before).await?),
            None => Ok(()),
        }
    }

    /// All files that are whole.
    pub(super) async fn files(&self) -> Result<BTreeMap<String, Arc<dyn Ranged>>, DepotError> {
        let folder = self.key("files/");
        let mut files = BTreeMap::new();
        for object in self.bucket.list(&folder, None).await? {
            let name = object.key[folder.len()..].to_owned();
            if let Some(note) = self.read::<FileNote>(object.key).await? {
                files.insert(name, parts::open(&self.bucket, &self.prefix, note));
            }
        }
        Ok(files)
    }

    /// The step that begins at `from`, if it was done.
    pub(super) async fn step(&self, from: u64) -> Result<Option<Logged>, DepotError> {
        self.read(self.step_key(from)).await
    }

    /// Keeps a step, unless there is one of its beginning. Returns the one that is kept.
    pub(super) async fn log(&self, from: u64, step: Logged) -> Result<Logged, DepotError> {
        if self.bucket.create(&self.step_key(from), json(&step)).await? == Created::Created {
            return Ok(step);
        }
        // Where an answer was lost it is our own.
        Ok(self.step(from).await?.unwrap_or(step))
    }

    fn step_key(&self, from: u64) -> String {
        self.key(&format!("steps/{from:020}"))
    }

    /// When anything of it was last written, by the store's clock: milliseconds since the Unix epoch. None: there is nothing.
    pub(super) async fn modified_ms(&self) -> Result<Option<i64>, DepotError> {
        Ok(self.bucket.list(&self.prefix, None).await?.iter().map(|object| object.last_modified_ms).max())
    }

    /// Removes what is only needed until it has become blocks.
    pub(super) async fn remove_files(&self) -> Result<(), DepotError> {
        for folder in ["files/", "parts/", "steps/"] {
            for object in self.bucket.list(&self.key(folder), None).await? {
                self.bucket.delete(&object.key).await?;
            }
        }
        Ok(())
    }

    /// Removes all of it: what says that it was begun last.
    pub(super) async fn remove(&self) -> Result<(), DepotError> {
        self.remove_files().await?;
        self.bucket.delete(&self.key("state.json")).await?;
        Ok(self.bucket.delete(&self.key("about")).await?)
    }
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("no map with other keys than text").into()
}
