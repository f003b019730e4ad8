//! `storage:` in the configuration.

use runtime::config::{ByteSize, HumanDuration, Secret};
use runtime::settings;

settings! {
    /// Where the objects are. `storage:` in the YAML.
    pub struct StorageConfig {
        /// Where objects are kept: s3://BUCKET, gs://BUCKET, az://CONTAINER, file://DIRECTORY or memory://.
        pub url: String = "file://./data/store".to_owned(),
        /// Folder of the bucket below which all keys stand; empty: the root.
        pub prefix: String = String::new(),
        /// How long one request to the store may take.
        pub request_timeout: HumanDuration = HumanDuration::from_secs(30),
        /// How long a failed request is tried again, its first attempt included.
        pub retry_for: HumanDuration = HumanDuration::from_secs(60),
        /// The first pause before a request is tried again; later ones double.
        pub retry_pause: HumanDuration = HumanDuration::from_millis(100),
        /// Objects above this size go up in several parts of this size.
        pub part_size: ByteSize = ByteSize(32 << 20),
        /// How long a process looks again for the marker of a bucket that holds objects and no marker, before it refuses.
        pub marker_wait: HumanDuration = HumanDuration::from_secs(10),
        /// Of a store on the machine's own disk.
        pub local: LocalConfig = LocalConfig::default(),
        /// Of s3:// URLs.
        pub s3: S3Config = S3Config::default(),
        /// Of gs:// URLs.
        pub gcs: GcsConfig = GcsConfig::default(),
        /// Of az:// URLs.
        pub azure: AzureConfig = AzureConfig::default(),
        /// A bad day of the store, for drills. Off unless a share is set.
        pub flaky: FlakyConfig = FlakyConfig::default(),
    }
}

impl StorageConfig {
    /// Bytes that all blocks may take, 0 without a limit: a bucket that is not on this machine has none.
    #[must_use]
    pub fn max_bytes(&self) -> ByteSize {
        let elsewhere = ["s3://", "gs://", "az://"].iter().any(|scheme| self.url.starts_with(scheme));
        if elsewhere { ByteSize(0) } else { self.local.max_bytes }
    }
}

settings! {
    /// A store that shares a disk with other things.
    pub struct LocalConfig {
        /// Bytes that all blocks may take; above it the oldest are removed. 0 is no limit. Without effect on `s3://`, `gs://` and `az://`.
        pub max_bytes: ByteSize = ByteSize(0),
    }
}

settings! {
    /// S3 and what speaks its protocol.
    pub struct S3Config {
        /// Base URL of the service; empty: Amazon's of the region.
        pub endpoint: String = String::new(),
        /// Region.
        pub region: String = "us-east-1".to_owned(),
        /// Access key; empty: found as Amazon's tools do (environment, web identity, instance).
        pub access_key_id: String = String::new(),
        /// Secret of the access key.
        pub secret_access_key: Secret = Secret::default(),
        /// True when the bucket stands in the path instead of in the host's name.
        pub path_style: bool = false,
        /// True allows an endpoint without TLS.
        pub allow_http: bool = false,
    }
}

settings! {
    /// Google Cloud Storage.
    pub struct GcsConfig {
        /// File with the key of a service account; empty: found as Google's tools do.
        pub service_account_path: String = String::new(),
    }
}

settings! {
    /// Azure Blob Storage.
    pub struct AzureConfig {
        /// Name of the storage account.
        pub account: String = String::new(),
        /// Key of the account; empty: found as Azure's tools do.
        pub access_key: Secret = Secret::default(),
        /// Base URL of the service; empty: Azure's of the account.
        pub endpoint: String = String::new(),
    }
}

settings! {
    /// Faults that a drill puts between the process and its store.
    pub struct FlakyConfig {
        /// Share of requests that fail before anything is done, 0 to 1.
        pub fail: f64 = 0.0,
        /// Share of requests that are done and whose answer is lost, 0 to 1.
        pub lose: f64 = 0.0,
        /// Share of requests that wait, 0 to 1.
        pub slow: f64 = 0.0,
        /// How long those wait.
        pub delay: HumanDuration = HumanDuration::from_secs(1),
        /// Seed of the faults; the same seed gives the same ones.
        pub seed: u64 = 0,
    }
}
