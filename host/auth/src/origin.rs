//! What counts as one address where somebody is counted by where they come from.

use std::net::{IpAddr, Ipv6Addr};

/// Returns what one subscriber has: an IPv4 address, or the first 64 bits of an IPv6 address (RFC 6177 §2).
pub fn origin_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::origin_of;

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_network() {
        for (address, origin) in
            [("192.0.2.1", "192.0.2.1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::")]
        {
            assert_eq!(origin_of(address.parse().expect("an address")).to_string(), origin);
        }
    }
}
