//! From `storage.url` to a bucket.

use std::path::Path;
use std::sync::Arc;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use prometheus_client::registry::Registry;
use runtime::Clock;

use super::remote::Remote;
use super::{AzureConfig, Bucket, BucketMetrics, GcsConfig, Memory, Metered, RetryPolicy, Retrying, S3Config, StorageConfig};
use crate::flaky::Flaky;

/// Why a bucket could not be opened. Nothing of the bucket itself was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A URL of no known kind.
    #[error("storage.url: \"{url}\" is none of s3://BUCKET, gs://BUCKET, az://CONTAINER, file://DIRECTORY, memory://")]
    Url {
        /// The text of the setting.
        url: String,
    },
    /// The directory could not be made.
    #[error("storage.url: cannot make directory {directory}")]
    Directory {
        /// The directory.
        directory: String,
        /// Why.
        source: std::io::Error,
    },
    /// Settings that the client does not take.
    #[error("storage: cannot make a client for {url}")]
    Client {
        /// The text of the setting.
        url: String,
        /// What the client library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Opens the bucket of `config`, with instruments, retries and, where a drill asks for it, faults.
///
/// Installs the process's TLS provider if there is none yet.
pub fn open(config: &StorageConfig, clock: &Arc<dyn Clock>, registry: &mut Registry) -> Result<Arc<dyn Bucket>, OpenError> {
    // An error only says that the process has one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut bucket = plain(config, clock)?;
    if config.flaky.fail > 0.0 || config.flaky.lose > 0.0 || config.flaky.slow > 0.0 {
        bucket = Arc::new(Flaky::new(bucket, &config.flaky));
    }
    let metered = Metered::new(bucket, BucketMetrics::register(registry, &name(&config.url)), clock.clone());
    Ok(Arc::new(Retrying::new(Arc::new(metered), RetryPolicy::of(config))))
}

/// What the label `bucket` shows: the bucket's name, without credentials or path.
fn name(url: &str) -> String {
    url.split_once("://").map_or(url, |(_, name)| name).trim_end_matches('/').to_owned()
}

fn plain(config: &StorageConfig, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Bucket>, OpenError> {
    let unknown = || OpenError::Url { url: config.url.clone() };
    let (scheme, rest) = config.url.split_once("://").ok_or_else(unknown)?;
    let store: Arc<dyn ObjectStore> = match (scheme, rest.trim_end_matches('/')) {
        ("memory", _) => return Ok(Arc::new(Memory::new(clock.clone()))),
        ("file", directory) if !rest.is_empty() => {
            Arc::new(directory_store(config, Path::new(if directory.is_empty() { "/" } else { directory }))?)
        }
        ("s3", bucket) if named(bucket) => Arc::new(client(config, s3(&config.s3, bucket, config).build())?),
        ("gs", bucket) if named(bucket) => Arc::new(client(config, gcs(&config.gcs, bucket, config).build())?),
        ("az", bucket) if named(bucket) => Arc::new(client(config, azure(&config.azure, bucket, config).build())?),
        _ => return Err(unknown()),
    };
    let part_size = usize::try_from(config.part_size.0).unwrap_or(usize::MAX);
    // S3 takes no part below 5 MiB but the last.
    Ok(Arc::new(Remote::new(store, &config.prefix, part_size.max(5 << 20))))
}

fn named(bucket: &str) -> bool {
    !bucket.is_empty() && !bucket.contains(['/', '?', '#', '@'])
}

fn client<S>(config: &StorageConfig, built: object_store::Result<S>) -> Result<S, OpenError> {
    built.map_err(|source| OpenError::Client { url: config.url.clone(), source: Box::new(source) })
}

fn directory_store(config: &StorageConfig, directory: &Path) -> Result<LocalFileSystem, OpenError> {
    std::fs::create_dir_all(directory).map_err(|source| OpenError::Directory { directory: directory.display().to_string(), source })?;
    // What is acknowledged here leaves the WAL, so it must be on the disk and not in its cache.
    client(config, LocalFileSystem::new_with_prefix(directory)).map(|store| store.with_fsync(true))
}

/// Connections of all HTTP stores. [`Retrying`] does the patient part; the client itself tries twice, page by page where it lists.
fn http(config: &StorageConfig) -> (ClientOptions, RetryConfig) {
    let options = ClientOptions::new().with_timeout(config.request_timeout.get()).with_allow_http(config.s3.allow_http);
    let retry = RetryConfig { max_retries: 1, retry_timeout: config.request_timeout.get(), ..RetryConfig::default() };
    (options, retry)
}

fn s3(s3: &S3Config, bucket: &str, config: &StorageConfig) -> AmazonS3Builder {
    let S3Config { endpoint, region, access_key_id, secret_access_key, path_style, allow_http } = s3;
    let (options, retry) = http(config);
    // Only an empty key looks into the environment: what the configuration says is not mixed with it.
    let base = if access_key_id.is_empty() { AmazonS3Builder::from_env() } else { AmazonS3Builder::new() };
    let mut builder = base
        .with_bucket_name(bucket)
        .with_region(region)
        .with_client_options(options)
        .with_retry(retry)
        .with_allow_http(*allow_http)
        .with_virtual_hosted_style_request(!*path_style);
    if !endpoint.is_empty() {
        builder = builder.with_endpoint(endpoint);
    }
    if !access_key_id.is_empty() {
        builder = builder.with_access_key_id(access_key_id).with_secret_access_key(secret_access_key.reveal());
    }
    builder
}

fn gcs(gcs: &GcsConfig, bucket: &str, config: &StorageConfig) -> GoogleCloudStorageBuilder {
    let GcsConfig { service_account_path } = gcs;
    let (options, retry) = http(config);
    let base = if service_account_path.is_empty() { GoogleCloudStorageBuilder::from_env() } else { GoogleCloudStorageBuilder::new() };
    let builder = base.with_bucket_name(bucket).with_client_options(options).with_retry(retry);
    if service_account_path.is_empty() { builder } else { builder.with_service_account_path(service_account_path) }
}

fn azure(azure: &AzureConfig, container: &str, config: &StorageConfig) -> MicrosoftAzureBuilder {
    let AzureConfig { account, access_key, endpoint } = azure;
    let (options, retry) = http(config);
    let base = if access_key.reveal().is_empty() { MicrosoftAzureBuilder::from_env() } else { MicrosoftAzureBuilder::new() };
    let mut builder = base.with_container_name(container).with_client_options(options).with_retry(retry);
    if !account.is_empty() {
        builder = builder.with_account(account);
    }
    if !access_key.reveal().is_empty() {
        builder = builder.with_access_key(access_key.reveal());
    }
    if !endpoint.is_empty() {
        builder = builder.with_endpoint(endpoint.clone());
    }
    builder
}
