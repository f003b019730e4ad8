//! The buckets of the `object_store` crate. Its types stay in this file and in `open`.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt as _;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload, WriteMultipart};

use super::{Bucket, Created, ObjectMeta, read};
use crate::block::Contents;
use crate::error::StoreError;

/// Parts of one object that are under way at once.
const PARTS_AT_ONCE: usize = 4;

/// A bucket behind the `object_store` crate, below a prefix.
pub(super) struct Remote {
    store: Arc<dyn ObjectStore>,
    /// Empty, or ending in `/`.
    prefix: String,
    part_size: usize,
}

impl Remote {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: &str, part_size: usize) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { store, prefix, part_size }
    }

    fn path(&self, operation: &'static str, key: &str) -> Result<Path, StoreError> {
        Path::parse(format!("{}{key}", self.prefix)).map_err(|source| StoreError::Refused {
            operation,
            key: key.to_owned(),
            source: Box::new(source),
        })
    }

    fn meta(&self, meta: &object_store::ObjectMeta) -> ObjectMeta {
        let path = meta.location.as_ref();
        ObjectMeta {
            key: path.strip_prefix(&self.prefix).unwrap_or(path).to_owned(),
            size: meta.size,
            last_modified_ms: meta.last_modified.timestamp_millis(),
        }
    }

    /// `list` of the crate takes whole segments without the slash at their end.
    fn below(&self, operation: &'static str, prefix: &str) -> Result<Option<Path>, StoreError> {
        let path = self.path(operation, prefix)?;
        Ok(Some(path).filter(|path| !path.as_ref().is_empty()))
    }

    /// Writes an object part by part; a few of them are in memory at once.
    async fn put_parts(&self, path: &Path, key: &str, contents: Contents) -> Result<(), StoreError> {
        let failed = |err| failed("put", key)(err);
        let upload = self.store.put_multipart(path).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, self.part_size);
        let len = contents.len();
        for start in (0..len).step_by(self.part_size) {
            upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
            upload.put(read(contents.clone(), start..len.min(start + self.part_size as u64), key).await?);
        }
        upload.finish().await.map(drop).map_err(failed)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("store", &self.store.to_string()).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

fn failed(operation: &'static str, key: &str) -> impl FnOnce(Error) -> StoreError {
    move |source| match source {
        Error::NotFound { .. } => StoreError::NotFound { key: key.to_owned() },
        Error::InvalidPath { .. }
        | Error::NotSupported { .. }
        | Error::NotImplemented { .. }
        | Error::PermissionDenied { .. }
        | Error::Unauthenticated { .. }
        | Error::UnknownConfigurationKey { .. } => StoreError::Refused { operation, key: key.to_owned(), source: Box::new(source) },
        source => StoreError::Failed { operation, key: key.to_owned(), source: Box::new(source) },
    }
}

impl Bucket for Remote {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move {
            let path = self.path("get", key)?;
            let answer = self.store.get(&path).await.map_err(failed("get", key))?;
            answer.bytes().await.map_err(failed("get", key))
        })
    }

    fn get_range<'a>(&'a self, key: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Bytes, StoreError>> {
        Box::pin(async move {
            let path = self.path("get_range", key)?;
            let bytes = match self.store.get_range(&path, range.clone()).await {
                Ok(bytes) => bytes,
                Err(Error::NotFound { .. }) => return Err(StoreError::NotFound { key: key.to_owned() }),
                // Stores say "invalid range" in many ways: ask for the length before blaming the store.
                Err(source) => match self.store.head(&path).await {
                    Ok(meta) if range.end > meta.size => {
                        return Err(StoreError::Range { start: range.start, end: range.end, len: meta.size });
                    }
                    _ => return Err(failed("get_range", key)(source)),
                },
            };
            // A range that crosses the end of the object is answered with what there is.
            let len = bytes.len() as u64;
            if len == range.end - range.start {
                Ok(bytes)
            } else {
                Err(StoreError::Range { start: range.start, end: range.end, len: range.start + len })
            }
        })
    }

    fn head<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<ObjectMeta, StoreError>> {
        Box::pin(async move {
            let path = self.path("head", key)?;
            self.store.head(&path).await.map(|meta| self.meta(&meta)).map_err(failed("head", key))
        })
    }

    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        self.put_contents(key, bytes.into())
    }

    fn put_contents<'a>(&'a self, key: &'a str, contents: Contents) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let path = self.path("put", key)?;
            if contents.len() > self.part_size as u64 {
                self.put_parts(&path, key, contents).await
            } else {
                let len = contents.len();
                let bytes = read(contents, 0..len, key).await?;
                self.store.put(&path, PutPayload::from_bytes(bytes)).await.map(drop).map_err(failed("put", key))
            }
        })
    }

    fn create<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<Created, StoreError>> {
        Box::pin(async move {
            let path = self.path("create", key)?;
            let options = PutOptions::from(PutMode::Create);
            match self.store.put_opts(&path, PutPayload::from_bytes(bytes), options).await {
                Ok(_) => Ok(Created::Created),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(Created::Exists),
                Err(source) => Err(failed("create", key)(source)),
            }
        })
    }

    fn delete<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let path = self.path("delete", key)?;
            match self.store.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
                Err(source) => Err(failed("delete", key)(source)),
            }
        })
    }

    fn list<'a>(&'a self, prefix: &'a str, start_after: Option<&'a str>) -> BoxFuture<'a, Result<Vec<ObjectMeta>, StoreError>> {
        Box::pin(async move {
            let below = self.below("list", prefix)?;
            let stream = match start_after {
                Some(after) => self.store.list_with_offset(below.as_ref(), &self.path("list", after)?),
                None => self.store.list(below.as_ref()),
            };
            let mut found: Vec<ObjectMeta> = stream.map_ok(|meta| self.meta(&meta)).try_collect().await.map_err(failed("list", prefix))?;
            // Not every store sorts as S3 does, and some sort folders before they sort keys.
            found.retain(|meta| start_after.is_none_or(|after| meta.key.as_str() > after));
            found.sort_by(|a, b| a.key.cmp(&b.key));
            Ok(found)
        })
    }

    fn folders<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(async move {
            let below = self.below("list", prefix)?;
            let found = self.store.list_with_delimiter(below.as_ref()).await.map_err(failed("list", prefix))?;
            let mut names: Vec<String> = found.common_prefixes.iter().filter_map(|path| Some(path.filename()?.to_owned())).collect();
            names.sort();
            Ok(names)
        })
    }
}
