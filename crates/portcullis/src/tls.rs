//! TLS that ends here: certificate and key from PEM files, TLS 1.2 and later, HTTP/2 and HTTP/1.1.
//!
//! Owns reading the two files and the sentences about files that cannot be used. Leaves the handshake to the listener.

mod pinned;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use portcullis_oauth::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, InconsistentKeys, ServerConfig};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use self::pinned::Pinned;
use crate::Problem;
use crate::config::TlsFiles;

/// HTTP/2 as ALPN names it (RFC 7301 §6).
pub(crate) const HTTP_2: &[u8] = b"h2";
const HTTP_1: &[u8] = b"http/1.1";

/// The one provider of cryptography, the same that the database driver uses.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// What a handshake needs.
///
/// # Errors
/// When a file cannot be read, is malformed, or the two do not belong together, in one sentence.
pub(crate) fn server_config(files: &TlsFiles) -> Result<ServerConfig, Problem> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;
    let (certificate, key_file) = (files.certificate.display(), files.key.display());
    let refused = |error: rustls::Error| {
        Problem::configuration(match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
                "tls_key {key_file} does not belong to the first certificate in tls_certificate {certificate}; name the key that the certificate was issued for, and put the server's own certificate first"
            ),
            rustls::Error::InvalidCertificate(reason) => format!(
                "the first certificate in tls_certificate {certificate} cannot be used: {reason}; ask its issuer for an X.509 version 3 certificate"
            ),
            error => format!("tls_key {key_file} cannot be used: {error}; name an RSA, ECDSA or Ed25519 key"),
        })
    };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(refused)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(refused)?;
    config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
    Ok(config)
}

/// For a client that believes the configured certificate and no other, whatever name or age it has.
///
/// # Errors
/// When the certificate cannot be read, in one sentence.
pub(crate) fn client_of(files: &TlsFiles) -> Result<Arc<ClientConfig>, Problem> {
    let provider = provider();
    let pinned = Pinned { chain: certificates(&files.certificate)?, provider: provider.clone() };
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(Problem::failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The certificates in a PEM file, the server's own first; never none.
///
/// # Errors
/// When there are none, in one sentence.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let text = read("tls_certificate", path)?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            Err(malformed("tls_certificate", path, "-----BEGIN CERTIFICATE-----"))
        }
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(malformed("tls_certificate", path, "-----BEGIN CERTIFICATE-----")),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Problem> {
    let text = read("tls_key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if text.windows(9).any(|word| word == b"ENCRYPTED") => {
            Problem::configuration(format!(
                "tls_key {} is encrypted; decrypt it, for example with `openssl pkey`, and protect the file with mode 0600",
                path.display()
            ))
        }
        _ => malformed("tls_key", path, "-----BEGIN PRIVATE KEY-----"),
    })
}

fn read(setting: &str, path: &Path) -> Result<Vec<u8>, Problem> {
    std::fs::read(path).map_err(|error| {
        Problem::configuration(format!(
            "cannot read {setting} {}: {error}; name a PEM file that this user may read",
            path.display()
        ))
    })
}

fn malformed(setting: &str, path: &Path, begins: &str) -> Problem {
    let path = path.display();
    Problem::configuration(format!(
        "{setting} {path} is not in PEM form; name a file whose text begins with {begins}"
    ))
}

/// Whether a certificate counts at a point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    /// It does.
    Valid,
    /// It did.
    Expired,
    /// It will.
    NotYet,
}

/// Whether the certificate counts at `at`. Says nothing about who issued it.
pub(crate) fn validity(certificate: &CertificateDer<'_>, at: Timestamp) -> Validity {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at.seconds().unsigned_abs()));
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return Validity::Valid };
    // Without anchors it fails for one reason or another; its time is the first thing that is looked at.
    match certificate.verify_for_usage(&[], &[], &[], at, KeyUsage::server_auth(), None, None) {
        Err(webpki::Error::CertExpired { .. }) => Validity::Expired,
        Err(webpki::Error::CertNotValidYet { .. }) => Validity::NotYet,
        _ => Validity::Valid,
    }
}

#[cfg(test)]
mod tests;
