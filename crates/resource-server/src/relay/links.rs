//! Where a link in a result may lead. A client follows links with its own hands, on its own computer and network, so one
//! into either is not the upstream's to give (T34).

use std::net::IpAddr;

use portcullis_outbound::address::Reach;

/// Schemes that mean the client's own computer, or run something there.
const LOCAL: [&str; 7] = ["file", "javascript", "vbscript", "data", "blob", "about", "ms-settings"];
/// Names that no public server has.
const PRIVATE: [&str; 7] = [".localhost", ".local", ".internal", ".intranet", ".lan", ".home", ".home.arpa"];

/// Whether the web's own clients can follow it.
pub(super) fn is_web(uri: &str) -> bool {
    matches!(scheme(uri).as_str(), "http" | "https")
}

/// Whether a link leads into the client's computer or network.
pub(crate) fn leads_astray(uri: &str) -> bool {
    let scheme = scheme(uri);
    if LOCAL.contains(&scheme.as_str()) {
        return true;
    }
    if !matches!(scheme.as_str(), "http" | "https" | "ws" | "wss" | "ftp") {
        return false;
    }
    // Read as browsers read it, so that no spelling of an address is another address.
    url::Url::parse(uri.trim()).map_or(true, |url| match url.host() {
        Some(url::Host::Domain(name)) => is_private(name),
        Some(url::Host::Ipv4(address)) => Reach::of(IpAddr::V4(address)) != Reach::Public,
        Some(url::Host::Ipv6(address)) => Reach::of(IpAddr::V6(address)) != Reach::Public,
        None => true,
    })
}

fn is_private(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    !name.contains('.') || PRIVATE.iter().any(|end| name.ends_with(end))
}

/// The scheme as a browser reads it: without blanks and controls before it, in lower case.
fn scheme(uri: &str) -> String {
    let visible = uri.chars().filter(|c| !c.is_control()).collect::<String>();
    visible.trim_start().split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T34, T13
    #[test]
    fn links_into_the_clients_own_world_are_known_in_every_spelling() {
        for astray in [
            "file:///etc/passwd",
            "FILE:///c:/",
            " file:///x",
            "fi\tle:///x",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://127.0.0.1:8080/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "https://192.168.1.1/",
            "http://169.254.169.254/latest",
            "https://printer/",
            "https://nas.local/",
            "https://wiki.corp.internal/",
            "http://",
            "http://user@10.0.0.1/",
        ] {
            assert!(leads_astray(astray), "{astray}");
        }
        for fine in [
            "https://example.com/a",
            "http://8.8.8.8/",
            "test://static",
            "demo://resource/1",
            "github+file:///x",
        ] {
            assert!(!leads_astray(fine), "{fine}");
        }
    }
}
