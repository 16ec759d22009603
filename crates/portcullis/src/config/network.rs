//! A network: an address and how much of it counts.

use std::fmt;
use std::net::IpAddr;

/// A range of addresses, written `10.0.0.0/8`; a single address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many leading bits of the address count.
    prefix: u32,
}

impl Network {
    /// Reads an address or `ADDRESS/BITS`; `None` if it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address = address.trim().parse::<IpAddr>().ok()?;
        let length = bits(address).1;
        let prefix = prefix.map_or(Some(length), |prefix| prefix.trim().parse().ok())?;
        // `::ffff:10.0.0.0/104` counts the 96 bits that an IPv4 address does not have.
        match (address, address.to_canonical()) {
            (IpAddr::V6(_), canonical @ IpAddr::V4(_)) if (96..=128).contains(&prefix) => {
                Some(Self { address: canonical, prefix: prefix - 96 })
            }
            _ => (prefix <= length).then_some(Self { address, prefix }),
        }
    }

    /// Whether `address` is of this network. An IPv4 address that is written as IPv6 is the same address.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let (ours, length) = bits(self.address);
        let (theirs, their_length) = bits(address.to_canonical());
        // A prefix of nothing shifts everything out, which a plain shift refuses.
        length == their_length && (ours ^ theirs).checked_shr(length - self.prefix).unwrap_or_default() == 0
    }

    /// Whether every address of its kind is of this network.
    #[must_use]
    pub const fn is_everybody(self) -> bool {
        self.prefix == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        Network::parse(network).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_what_begins_like_it() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.0/25", "::ffff:192.0.2.127", "192.0.2.128"),
            ("::ffff:10.0.0.0/104", "10.1.1.1", "11.1.1.1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::1", "::1", "::2"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            assert!(contains(network, inside), "{inside} is of {network}");
            assert!(!contains(network, outside), "{outside} is not of {network}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0/8", "10.0.0.0/8/8"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
