//! Whose address a request counts for, where there is no valid key.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request};
use axum::http::HeaderMap;

use crate::network::Network;

/// Leading bits of an IPv6 address that one customer gets: a limit by the whole address would be no limit.
const CUSTOMER: u8 = 64;

/// The address that asks: the other end of the connection or, if that is a proxy that we trust, the last one in
/// `X-Forwarded-For` that is no such proxy. What stands further left was written by the client itself.
pub(super) fn address(request: &Request, trusted: &[Network]) -> String {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    let peer = peer.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)).to_canonical();
    written(client(peer, request.headers(), trusted))
}

fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let trusts = |address: &IpAddr| trusted.iter().any(|network| network.contains(*address));
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let mut client = peer;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !trusts(&client) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(hop) => client = hop.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

fn written(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{}/{CUSTOMER}", Network::new(IpAddr::V6(address), CUSTOMER).first()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        written(client(peer.parse().unwrap(), &headers, &trusted))
    }

    #[test]
    fn a_forwarded_header_counts_for_nothing_unless_a_trusted_proxy_wrote_it() {
        assert_eq!(of("203.0.113.7", &["198.51.100.1"], &[]), "203.0.113.7");
        assert_eq!(of("203.0.113.7", &["198.51.100.1"], &["10.0.0.0/8"]), "203.0.113.7");
        assert_eq!(of("10.0.0.1", &["198.51.100.1"], &["10.0.0.0/8"]), "198.51.100.1");
        // The client wrote the first, the outer proxy the second, the inner the third.
        assert_eq!(of("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.0.0.2"], &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["1.1.1.1", "198.51.100.1"], &["10.0.0.0/8"]), "198.51.100.1");
        assert_eq!(of("10.0.0.1", &["198.51.100.1, nonsense"], &["10.0.0.0/8"]), "10.0.0.1");
        assert_eq!(of("10.0.0.1", &[], &["10.0.0.0/8"]), "10.0.0.1");
    }

    #[test]
    fn a_customer_with_many_addresses_is_one_caller() {
        assert_eq!(of("2001:db8:1:2:3:4:5:6", &[], &[]), "2001:db8:1:2::/64");
    }
}
