//! TLS of the servers and of the channels between processes: certificates from files, read again when they change.

mod reload;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::config::HumanDuration;
use crate::tasks::Tasks;
use reload::Reloading;

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
        /// How often the files are looked at for changes, at most: when a connection is made.
        pub reload_period: HumanDuration = HumanDuration::from_secs(30),
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
pub struct ServerTls {
    config: Arc<Reloading<ServerConfig>>,
    period: Duration,
}

/// The side of channels. Clones share it.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<Reloading<ClientConfig>>,
    period: Duration,
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
        let (period, files) = (files.reload_period.get(), files.clone());
        let paths = [files.cert_file.clone(), files.key_file.clone(), files.client_ca_file.clone()];
        let config = Reloading::new(&paths.each_ref().map(String::as_str), move || server_config(&files))?;
        Ok(Some(Self { config: Arc::new(config), period }))
    }

    /// What new connections use.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        self.config.current().into()
    }

    /// Looks for changed files until `tasks` stop.
    pub fn watch(&self, tasks: &Tasks) {
        let (config, stop) = (self.config.clone(), tasks.stopping());
        let period = self.period.max(Duration::from_millis(10));
        tasks.spawn("reload certificates", async move {
            let mut tick = tokio::time::interval(period);
            while stop.run_until_cancelled(tick.tick()).await.is_some() {
                config.look(Duration::ZERO);
            }
            Ok::<(), std::convert::Infallible>(())
        });
    }
}

impl ClientTls {
    /// The certificates of the configuration; `None` when TLS is off.
    pub fn load(files: &ClientTlsConfig) -> Result<Option<Self>, TlsError> {
        if !files.enabled {
            return Ok(None);
        }
        let (period, files) = (files.reload_period.get(), files.clone());
        let paths = [files.ca_file.clone(), files.cert_file.clone(), files.key_file.clone()];
        let config = Reloading::new(&paths.each_ref().map(String::as_str), move || build_client(&files))?;
        Ok(Some(Self { config: Arc::new(config), period }))
    }

    /// What a new connection uses. Connections are rare: each looks for changed files itself.
    #[must_use]
    pub fn connector(&self) -> TlsConnector {
        self.config.look(self.period);
        self.config.current().into()
    }
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

/// The side of clients as the files are now; `None` when TLS is off. [`ClientTls`] follows their changes.
pub fn client_config(files: &ClientTlsConfig) -> Result<Option<Arc<ClientConfig>>, TlsError> {
    if files.enabled { build_client(files).map(Some) } else { Ok(None) }
}

fn build_client(files: &ClientTlsConfig) -> Result<Arc<ClientConfig>, TlsError> {
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
    Ok(Arc::new(config))
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
