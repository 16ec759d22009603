//! The judge of addresses: which ones a stranger may have us call (RFC 6890 and its registries). What is not known to be
//! public is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anywhere on the internet.
    Public,
    /// A network of one's own: 10/8, 172.16/12, 192.168/16, 100.64/10, `fc00::/7`. An operator may open hosts there.
    Private,
    /// This computer.
    Loopback,
    /// Everything else: link-local with the clouds' metadata services, multicast, documentation, translated and tunnelled
    /// addresses, which hide another one. Nobody can open these.
    Special,
}

impl Reach {
    /// Judges an address; an IPv4 one that is written as IPv6 is judged as what it is.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::of_v4(v4),
            IpAddr::V6(v6) => Self::of_v6(v6),
        }
    }

    const fn of_v4(address: Ipv4Addr) -> Self {
        match address.octets() {
            [127, ..] => Self::Loopback,
            [10, ..] | [100, 64..=127, ..] | [172, 16..=31, ..] | [192, 168, ..] => Self::Private,
            // 168.63.129.16 is Azure's wire server, the one metadata service that has a public address.
            [0 | 224..=255, ..]
            | [169, 254, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [168, 63, 129, 16] => Self::Special,
            _ => Self::Public,
        }
    }

    /// Of IPv6 only `2000::/3` is public, and of that not what is set aside: protocol assignments with Teredo,
    /// documentation, 6to4.
    const fn of_v6(address: Ipv6Addr) -> Self {
        match address.segments() {
            [0, 0, 0, 0, 0, 0, 0, 1] => Self::Loopback,
            [0xfc00..=0xfdff, ..] => Self::Private,
            [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => Self::Special,
            [0x2000..=0x3fff, ..] => Self::Public,
            _ => Self::Special,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reach(text: &str) -> Reach {
        Reach::of(text.parse().unwrap())
    }

    /// CIMD-6.5-1, A29
    #[test]
    fn special_addresses_are_known_at_both_ends_of_their_ranges() {
        for special in
            "0.0.0.0 0.255.255.255 169.254.0.0 169.254.169.254 169.254.255.255 192.0.0.192 192.0.2.1 \
             192.88.99.1 198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 \
             240.0.0.1 255.255.255.255 168.63.129.16 :: 64:ff9b::a9fe:a9fe 64:ff9b::808:808 \
             64:ff9b:1::a00:1 ::a00:1 ::ffff:0:a00:1 100::1 2001::1 2001:1ff::1 2001:db8::1 \
             2002:a00:1:: 3fff:fff::1 5f00::1 fe80::1 febf::1 fec0::1 ff02::1 4000::1 \
             ::ffff:169.254.169.254 ::ffff:0.0.0.0"
                .split_whitespace()
        {
            assert_eq!(reach(special), Reach::Special, "{special}");
        }
        for private in "10.0.0.0 10.255.255.255 100.64.0.0 100.100.100.200 100.127.255.255 172.16.0.0 \
             172.31.255.255 192.168.0.0 192.168.255.255 fc00:: fdff::1 ::ffff:10.0.0.1"
            .split_whitespace()
        {
            assert_eq!(reach(private), Reach::Private, "{private}");
        }
        for loopback in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(reach(loopback), Reach::Loopback, "{loopback}");
        }
        for public in "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 128.0.0.1 172.15.255.255 \
             172.32.0.0 192.0.1.1 198.17.255.255 198.20.0.0 223.255.255.255 2001:200::1 2003::1 \
             2606:4700::1111 ::ffff:1.1.1.1"
            .split_whitespace()
        {
            assert_eq!(reach(public), Reach::Public, "{public}");
        }
    }

    proptest! {
        /// A29: an address does not become another one by being written as IPv6, and nothing that hides one is public.
        #[test]
        fn an_address_cannot_hide_in_another(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            prop_assert_eq!(Reach::of(v4.to_ipv6_mapped().into()), Reach::of(v4.into()));
            let low = u128::from(bits);
            for prefix in [0x0064_ff9b_u128 << 96, 0x0064_ff9b_0001_u128 << 80, 0x2001_u128 << 112, 0xffff_u128 << 48] {
                let hidden = Ipv6Addr::from_bits(prefix | low);
                prop_assert_eq!(Reach::of(hidden.into()), Reach::Special, "{}", hidden);
            }
            let six_to_four = Ipv6Addr::from_bits((0x2002_u128 << 112) | (low << 80));
            prop_assert_eq!(Reach::of(six_to_four.into()), Reach::Special);
        }

        /// CIMD-6.5-1: std knows some of the ranges; where it does, both agree.
        #[test]
        fn what_std_knows_to_be_special_is_not_public(bits: u32) {
            let v4 = Ipv4Addr::from_bits(bits);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast() || v4.is_documentation()
                || v4.is_broadcast() || v4.is_unspecified() {
                prop_assert_ne!(Reach::of(v4.into()), Reach::Public);
            }
        }
    }
}
