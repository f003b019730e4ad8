//! What a bucket must do, tried out on a real one: below a folder of its own, which is removed afterwards.

use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt as _, TryStreamExt as _};
use ulid::Ulid;

use super::{Bucket, Created};
use crate::error::StoreError;

/// A rule that the bucket does not keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: &'static str,
    /// What it did instead.
    pub found: String,
}

/// Every character that a tenant's name may hold, in names that sort differently as folders and as keys.
const TENANTS: [&str; 4] = ["a", "a.b", "A!_.*'()-z", "a-b"];
/// More than one page of a list.
const MANY: usize = 1050;
const REQUESTS: usize = 32;

struct Check<'a> {
    bucket: &'a dyn Bucket,
    folder: String,
    broken: Vec<Broken>,
}

/// Tries every rule. Errors are those of the store where the rule does not expect one.
///
/// * `large`: bytes of the object that goes up in parts; above `storage.part_size`.
pub async fn check(bucket: &dyn Bucket, large: usize) -> Result<Vec<Broken>, StoreError> {
    let folder = format!("bucket-check-{}", Ulid::from(rand::random::<u128>()));
    let mut check = Check { bucket, folder, broken: Vec::new() };
    let result = check.run(large).await;
    let left = bucket.list(&check.key(""), None).await?;
    futures::stream::iter(left).map(Ok).try_for_each_concurrent(REQUESTS, |object| async move { bucket.delete(&object.key).await }).await?;
    result.map(|()| check.broken)
}

impl Check<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn expect<T: std::fmt::Debug + PartialEq>(&mut self, rule: &'static str, found: &T, expected: &T) {
        if found != expected {
            self.broken.push(Broken { rule, found: format!("{found:?} instead of {expected:?}") });
        }
    }

    fn expect_missing<T: std::fmt::Debug>(&mut self, rule: &'static str, found: &Result<T, StoreError>) {
        if !matches!(found, Err(StoreError::NotFound { .. })) {
            self.broken.push(Broken { rule, found: format!("{found:?}") });
        }
    }

    async fn run(&mut self, large: usize) -> Result<(), StoreError> {
        self.objects().await?;
        self.ranges().await?;
        self.creates().await?;
        self.lists().await?;
        self.pages().await?;
        self.parts(large).await
    }

    async fn objects(&mut self) -> Result<(), StoreError> {
        let (bucket, key) = (self.bucket, self.key("object"));
        self.expect_missing("an object that is not there is not found", &bucket.get(&key).await);
        self.expect_missing("an object that is not there has no length", &bucket.head(&key).await);
        bucket.put(&key, Bytes::from_static(b"one")).await?;
        bucket.put(&key, Bytes::from_static(b"three")).await?;
        self.expect("the last put counts", &bucket.get(&key).await?, &Bytes::from_static(b"three"));
        let meta = bucket.head(&key).await?;
        self.expect("head tells key and length", &(meta.key, meta.size), &(key.clone(), 5));
        self.expect("head tells a time of our days", &(meta.last_modified_ms > 1_500_000_000_000), &true);
        bucket.put(&key, Bytes::new()).await?;
        self.expect("an object may be empty", &bucket.get(&key).await?, &Bytes::new());
        bucket.delete(&key).await?;
        bucket.delete(&key).await?;
        self.expect_missing("a deleted object is not found", &bucket.get(&key).await);
        Ok(())
    }

    async fn ranges(&mut self) -> Result<(), StoreError> {
        let (bucket, key) = (self.bucket, self.key("range"));
        self.expect_missing("a range of no object is not found", &bucket.get_range(&key, 0..1).await);
        bucket.put(&key, Bytes::from_static(b"0123456789")).await?;
        for (range, bytes) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9")] {
            self.expect("a range is what stands there", &bucket.get_range(&key, range).await?, &Bytes::from_static(bytes.as_bytes()));
        }
        for range in [5..11, 10..12, 20..30] {
            let found = bucket.get_range(&key, range).await;
            if !matches!(found, Err(StoreError::Range { .. })) {
                self.broken.push(Broken { rule: "a range outside is an error", found: format!("{found:?}") });
            }
        }
        Ok(())
    }

    async fn creates(&mut self) -> Result<(), StoreError> {
        let bucket = self.bucket;
        for round in 0..20 {
            let key = self.key(&format!("create/{round}"));
            let contents: Vec<Bytes> = (0..8).map(|number| Bytes::from(format!("{number}"))).collect();
            let results = join_all(contents.iter().map(|content| bucket.create(&key, content.clone()))).await;
            let results: Vec<Created> = results.into_iter().collect::<Result<_, _>>()?;
            let winners: Vec<&Bytes> =
                results.iter().zip(&contents).filter(|(created, _)| **created == Created::Created).map(|(_, content)| content).collect();
            self.expect("one of concurrent creates wins", &winners.len(), &1);
            self.expect("the winner's object stands", &winners.contains(&&bucket.get(&key).await?), &true);
            self.expect("a later create loses", &bucket.create(&key, Bytes::from_static(b"late")).await?, &Created::Exists);
            bucket.delete(&key).await?;
            self.expect("a deleted key can be created", &bucket.create(&key, Bytes::new()).await?, &Created::Created);
        }
        Ok(())
    }

    async fn lists(&mut self) -> Result<(), StoreError> {
        let bucket = self.bucket;
        let keys = |tenant: &str| ["x/1", "x/2", "xy/1", "y"].map(|name| self.key(&format!("list/{tenant}/{name}")));
        let mut all: Vec<String> = TENANTS.iter().flat_map(|tenant| keys(tenant)).collect();
        for key in &all {
            bucket.put(key, Bytes::from_static(b"1")).await?;
            self.expect("a key of any tenant is read", &bucket.get(key).await?, &Bytes::from_static(b"1"));
        }
        all.sort();
        self.expect("a list is sorted and complete", &self.listed("list/", None).await?, &all);
        for tenant in TENANTS {
            let [one, two, ..] = ["x/1", "x/2"].map(|name| self.key(&format!("list/{tenant}/{name}")));
            let listed = self.listed(&format!("list/{tenant}/x/"), None).await?;
            self.expect("a list holds whole segments", &listed, &vec![one.clone(), two.clone()]);
            let after = self.listed(&format!("list/{tenant}/x/"), Some(&one)).await?;
            self.expect("a list begins after a key", &after, &vec![two.clone()]);
            self.expect("a list may be at its end", &self.listed(&format!("list/{tenant}/x/"), Some(&two)).await?, &Vec::new());
        }
        self.expect("a list of nothing is empty", &self.listed("none/", None).await?, &Vec::new());
        let mut tenants = TENANTS.map(str::to_owned).to_vec();
        tenants.sort();
        self.expect("folders are named", &bucket.folders(&self.key("list/")).await?, &tenants);
        self.expect("objects are no folders", &bucket.folders(&self.key("list/a/x/")).await?, &Vec::new());
        self.expect("nothing has no folders", &bucket.folders(&self.key("none/")).await?, &Vec::new());
        Ok(())
    }

    async fn listed(&self, prefix: &str, after: Option<&str>) -> Result<Vec<String>, StoreError> {
        Ok(self.bucket.list(&self.key(prefix), after).await?.into_iter().map(|object| object.key).collect())
    }

    async fn pages(&mut self) -> Result<(), StoreError> {
        let bucket = self.bucket;
        let keys: Vec<String> = (0..MANY).map(|number| self.key(&format!("pages/{number:05}"))).collect();
        futures::stream::iter(&keys).map(Ok).try_for_each_concurrent(REQUESTS, |key| bucket.put(key, Bytes::from_static(b"1"))).await?;
        self.expect("a long list is complete", &(self.listed("pages/", None).await? == keys), &true);
        let after = self.listed("pages/", keys.get(20).map(String::as_str)).await?;
        self.expect("a long list begins after a key", &(after == keys[21..]), &true);
        Ok(())
    }

    async fn parts(&mut self, large: usize) -> Result<(), StoreError> {
        let (bucket, key) = (self.bucket, self.key("large"));
        let bytes: Bytes = (0..large).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
        bucket.put(&key, bytes.clone()).await?;
        self.expect("a large object has its length", &bucket.head(&key).await?.size, &(large as u64));
        self.expect("a large object is what was put", &(bucket.get(&key).await? == bytes), &true);
        let from = large / 2;
        let range = bucket.get_range(&key, from as u64..from as u64 + 1000).await?;
        self.expect("a range of a large object", &(range == bytes[from..from + 1000]), &true);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
