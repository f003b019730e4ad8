//! TLS of the servers and of the channels between processes: certificates from files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tracing::{info, warn};

use crate::config::HumanDuration;
use crate::error::Chain;
use crate::tasks::Tasks;

crate::settings! {
    /// `server.tls:` certificates of the HTTP and gRPC servers. Without `cert_file` they speak plain text.
    pub struct ServerTlsConfig {
        /// PEM file with the certificate chain of this process, its own first; empty: no TLS.
        pub cert_file: String = String::new(),
        /// PEM file with the private key.
        pub key_file: String = String::new(),
        /// PEM file with the authorities of clients; empty: clients need no certificate.
        pub client_ca_file: String = String::new(),
        /// How often the files are looked at for changes.
        pub reload_period: HumanDuration = HumanDuration::from_secs(30),
    }
}

crate::settings! {
    /// `client.tls:` how this process speaks to the gRPC servers of others.
    pub struct ClientTlsConfig {
        /// Whether other processes are spoken to over TLS.
        pub enabled: bool = false,
        /// PEM file with the authorities of servers; needed with TLS.
        pub ca_file: String = String::new(),
        /// PEM file with the certificate chain of this process as a client; empty: none.
        pub cert_file: String = String::new(),
        /// PEM file with the private key of that certificate.
        pub key_file: String = String::new(),
        /// The name in servers' certificates; empty: the host of the address.
        pub server_name: String = String::new(),
    }
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read or holds no PEM.
    #[error("read {path}", path = .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A file without a certificate.
    #[error("{path} holds no certificate", path = .0.display())]
    NoCertificate(PathBuf),
    /// A setting that another one needs.
    #[error("{0} is needed with {1}")]
    Needed(&'static str, &'static str),
    /// Certificates and key that do not go together.
    #[error("use the certificates")]
    Rustls(#[source] rustls::Error),
    /// Authorities that cannot vouch for clients.
    #[error("use the authorities of clients")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

/// The servers' side. Clones share it.
#[derive(Clone, Debug)]
pub struct ServerTls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: ServerTlsConfig,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Vec<Option<Vec<u8>>>>,
}

/// Makes ring the process's default cryptography, which the object store's client relies on. Calling it twice does no harm.
pub fn install_provider() {
    // An error says that there is a default already.
    let _ = ring::default_provider().install_default();
}

/// SHA-256 of some bytes in hexadecimal digits: how Mimir names the content of a file in a metric.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    let hash = ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().map(|suite| suite.common.hash_provider.hash(bytes));
    hash.iter().flat_map(|hash| hash.as_ref()).map(|byte| format!("{byte:02x}")).collect()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

impl ServerTls {
    /// The certificates of the configuration; `None` without any.
    pub fn load(files: &ServerTlsConfig) -> Result<Option<Self>, TlsError> {
        if files.cert_file.is_empty() {
            return Ok(None);
        }
        let seen = Mutex::new(contents(files));
        let current = ArcSwap::new(server_config(files)?);
        Ok(Some(Self(Arc::new(Inner { files: files.clone(), current, seen }))))
    }

    /// What new connections use.
    #[must_use]
    pub fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        self.0.current.load_full().into()
    }

    /// Looks for changed files until `tasks` stop.
    pub fn watch(&self, tasks: &Tasks) {
        let (tls, stop) = (self.clone(), tasks.stopping());
        let period = self.0.files.reload_period.get().max(Duration::from_millis(10));
        tasks.spawn("reload certificates", async move {
            let mut tick = tokio::time::interval(period);
            while stop.run_until_cancelled(tick.tick()).await.is_some() {
                tls.reload();
            }
            Ok::<(), std::convert::Infallible>(())
        });
    }

    fn reload(&self) {
        let now = contents(&self.0.files);
        let mut seen = self.0.seen.lock();
        if *seen == now {
            return;
        }
        *seen = now;
        match server_config(&self.0.files) {
            Ok(config) => {
                self.0.current.store(config);
                info!(cert_file = self.0.files.cert_file, "certificates read again");
            }
            // Half-written files are seen complete at the next look.
            Err(err) => warn!(error = %Chain(&err), "keeping the certificates in force"),
        }
    }
}

/// The files as they are. Times of change lie where a volume is a chain of links.
fn contents(files: &ServerTlsConfig) -> Vec<Option<Vec<u8>>> {
    [&files.cert_file, &files.key_file, &files.client_ca_file].map(|path| std::fs::read(path).ok()).into()
}

fn server_config(files: &ServerTlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = identity(&files.cert_file, &files.key_file, ("server.tls.key_file", "server.tls.cert_file"))?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(TlsError::Rustls)?;
    let builder = if files.client_ca_file.is_empty() {
        builder.with_no_client_auth()
    } else {
        let roots = Arc::new(authorities(&files.client_ca_file)?);
        builder
            .with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(roots, provider()).build().map_err(TlsError::Verifier)?)
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsError::Rustls)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The side of channels; `None` when TLS is off.
pub fn client_config(files: &ClientTlsConfig) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    if !files.enabled {
        return Ok(None);
    }
    if files.ca_file.is_empty() {
        return Err(TlsError::Needed("client.tls.ca_file", "client.tls.enabled"));
    }
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map_err(TlsError::Rustls)?;
    let builder = builder.with_root_certificates(authorities(&files.ca_file)?);
    let mut config = if files.cert_file.is_empty() {
        builder.with_no_client_auth()
    } else {
        let (chain, key) = identity(&files.cert_file, &files.key_file, ("client.tls.key_file", "client.tls.cert_file"))?;
        builder.with_client_auth_cert(chain, key).map_err(TlsError::Rustls)?
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Some(Arc::new(config)))
}

fn identity(
    cert_file: &str,
    key_file: &str,
    needed: (&'static str, &'static str),
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    if key_file.is_empty() {
        return Err(TlsError::Needed(needed.0, needed.1));
    }
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|source| TlsError::Pem { path: key_file.into(), source })?;
    Ok((certificates(Path::new(cert_file))?, key))
}

fn authorities(path: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(Path::new(path))? {
        roots.add(certificate).map_err(TlsError::Rustls)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let failed = |source| TlsError::Pem { path: path.to_owned(), source };
    let certificates = CertificateDer::pem_file_iter(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    if certificates.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    /// The hash of nothing, as FIPS 180-4's examples have it.
    #[test]
    fn sha256_of_nothing() {
        assert_eq!(super::sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
