//! Stories about certificate and key: what can be used, and what a person reads who named something else.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

/// A folder with a certificate that counts in these years, and its key.
fn issue(years: (i32, i32)) -> (TempDir, TlsFiles) {
    let folder = tempfile::tempdir().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let files = TlsFiles { certificate: folder.path().join("chain.pem"), key: folder.path().join("key.pem") };
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    (folder, files)
}

fn refusal(folder: &TempDir, files: &TlsFiles) -> String {
    let problem = server_config(files).unwrap_err().to_string();
    problem.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_certificate_and_its_key_speak_both_versions_of_http() {
    let (_folder, files) = issue((2020, 2090));
    assert_eq!(server_config(&files).unwrap().alpn_protocols, [&b"h2"[..], &b"http/1.1"[..]]);
}

#[test]
fn files_that_cannot_be_used_are_told_in_one_sentence_each() {
    let (folder, files) = issue((2020, 2090));
    let (_other_folder, other) = issue((2020, 2090));
    let with_key = |text: &str| {
        let path = folder.path().join("other.pem");
        std::fs::write(&path, text).unwrap();
        TlsFiles { key: path, ..files.clone() }
    };
    let missing = TlsFiles { certificate: folder.path().join("none.pem"), ..files.clone() };
    insta::assert_snapshot!(refusal(&folder, &missing), @"cannot read tls_certificate none.pem: No such file or directory (os error 2); name a PEM file that this user may read");
    let swapped = TlsFiles { certificate: files.key.clone(), key: files.certificate.clone() };
    insta::assert_snapshot!(refusal(&folder, &swapped), @"tls_certificate key.pem is not in PEM form; name a file whose text begins with -----BEGIN CERTIFICATE-----");
    insta::assert_snapshot!(refusal(&folder, &with_key("no key")), @"tls_key other.pem is not in PEM form; name a file whose text begins with -----BEGIN PRIVATE KEY-----");
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBAA==\n-----END ENCRYPTED PRIVATE KEY-----\n";
    insta::assert_snapshot!(refusal(&folder, &with_key(encrypted)), @"tls_key other.pem is encrypted; decrypt it, for example with `openssl pkey`, and protect the file with mode 0600");
    let damaged = "-----BEGIN PRIVATE KEY-----\nMIIBAA==\n-----END PRIVATE KEY-----\n";
    assert!(refusal(&folder, &with_key(damaged)).starts_with("tls_key other.pem cannot be used: "));
    let mismatching = with_key(&std::fs::read_to_string(&other.key).unwrap());
    insta::assert_snapshot!(refusal(&folder, &mismatching), @"tls_key other.pem does not belong to the first certificate in tls_certificate chain.pem; name the key that the certificate was issued for, and put the server's own certificate first");
    let junk: PathBuf = folder.path().join("junk.pem");
    std::fs::write(&junk, "-----BEGIN CERTIFICATE-----\nMIIBAA==\n-----END CERTIFICATE-----\n").unwrap();
    let junk = refusal(&folder, &TlsFiles { certificate: junk, ..files.clone() });
    assert!(junk.starts_with("the first certificate in tls_certificate junk.pem cannot be used: "), "{junk}");
}

#[test]
fn a_certificate_is_told_to_be_too_old_or_too_young() {
    let at = |year: i64| Timestamp::from_micros((year - 1970) * 31_557_600 * 1_000_000);
    let (_folder, files) = issue((2020, 2030));
    let certificate = certificates(&files.certificate).unwrap().remove(0);
    let judged = [2019, 2025, 2031].map(|year| validity(&certificate, at(year)));
    assert_eq!(judged, [Validity::NotYet, Validity::Valid, Validity::Expired]);
    assert!(server_config(&files).is_ok(), "whoever connects will say so");
}
