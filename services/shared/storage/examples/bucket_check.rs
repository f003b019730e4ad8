//! Runs the contract of buckets against a real one, below a folder that is removed afterwards:
//!
//! ```text
//! bucket_check s3://BUCKET [ENDPOINT ACCESS_KEY_ID SECRET_ACCESS_KEY]
//! ```

use std::process::ExitCode;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use quartet_storage::bucket::{StorageConfig, contract, open};
use runtime::{Chain, Clock, SystemClock};

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut config = StorageConfig::default();
    match args.as_slice() {
        [url] => config.url.clone_from(url),
        [url, endpoint, access_key_id, secret] => {
            config.url.clone_from(url);
            config.s3.endpoint.clone_from(endpoint);
            config.s3.access_key_id.clone_from(access_key_id);
            config.s3.secret_access_key = secret.as_str().into();
            config.s3.path_style = true;
            config.s3.allow_http = true;
        }
        _ => {
            eprintln!("usage: bucket_check URL [ENDPOINT ACCESS_KEY_ID SECRET_ACCESS_KEY]");
            return ExitCode::from(2);
        }
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bucket = match open(&config, &clock, &mut Registry::default()) {
        Ok(bucket) => bucket,
        Err(err) => {
            eprintln!("{}", Chain(&err));
            return ExitCode::FAILURE;
        }
    };
    match contract::check(&*bucket, 40 << 20).await {
        Ok(broken) if broken.is_empty() => {
            println!("{} keeps every rule", config.url);
            ExitCode::SUCCESS
        }
        Ok(broken) => {
            for rule in broken {
                println!("broken: {}: {}", rule.rule, rule.found);
            }
            ExitCode::FAILURE
        }
        Err(err) => {
            eprintln!("{}", Chain(&err));
            ExitCode::FAILURE
        }
    }
}
