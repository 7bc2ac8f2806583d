//! Who sent a request, and its id.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::http::HeaderMap;
use ipnet::IpNet;

/// The longest id that a proxy may give to a request, in bytes.
const MAX_ID: usize = 64;

/// Who sent a request, and its id.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    /// The address of the client, or `None` if it is unknown.
    pub(crate) address: Option<IpAddr>,
    pub(crate) request: RequestId,
}

/// The id of a request, in logs and in the history.
#[derive(Clone, Debug)]
pub(crate) enum RequestId {
    Random(u64),
    /// From a trusted proxy.
    Given(Arc<str>),
}

/// The proxies whose headers are trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<TrustedProxy>);

/// An address or a network, such as `10.0.0.1` or `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedProxy(IpNet);

impl FromStr for TrustedProxy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Self).map_err(|_| "expected an IP address or a network, such as 10.0.0.1 or 10.0.0.0/8".into())
    }
}

impl From<Vec<TrustedProxy>> for TrustedProxies {
    fn from(proxies: Vec<TrustedProxy>) -> Self {
        Self(proxies)
    }
}

impl TrustedProxies {
    /// Returns `true` if the address is that of a trusted proxy.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|TrustedProxy(network)| network.contains(&address))
    }

    /// Returns `true` if a connection comes from a proxy whose headers are trusted.
    pub(super) fn has_sent(&self, peer: Option<IpAddr>) -> bool {
        // A socket for IPv6 and IPv4 shows an IPv4 address as one of IPv6.
        peer.is_some_and(|peer| self.has(peer.to_canonical()))
    }

    /// Returns the sender of a request from its connection, or from the headers `X-Forwarded-For` and `X-Request-Id` of a trusted
    /// proxy.
    ///
    /// The header `Forwarded` is not read: a proxy that sets one of the two headers usually forwards the other one from the client.
    pub(super) fn sender(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Sender {
        let peer = peer.map(|peer| peer.to_canonical());
        if !self.has_sent(peer) {
            return Sender { address: peer, request: RequestId::random() };
        }
        let request = headers.get("x-request-id").and_then(|id| id.to_str().ok()).and_then(RequestId::given);
        Sender { address: self.client(headers).or(peer), request: request.unwrap_or_else(RequestId::random) }
    }

    /// Returns the rightmost address that is not a trusted proxy: each proxy appends the address that it sees, and a client can invent
    /// everything to the left of its own. If there is none, returns the leftmost proxy.
    fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = None;
        for list in headers.get_all("x-forwarded-for").iter().rev() {
            for hop in list.as_bytes().rsplit(|byte| *byte == b',') {
                // A proxy appends to what the client sent, so only the text of the hop itself must be valid.
                let hop = str::from_utf8(hop).ok().and_then(|hop| address(hop.trim()));
                let Some(hop) = hop else { return client };
                client = Some(hop);
                if !self.has(hop) {
                    return client;
                }
            }
        }
        client
    }
}

/// Parses an address. Some proxies append the port.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

impl RequestId {
    fn random() -> Self {
        // It only tells requests apart, so it need not be hard to guess.
        Self::Random(fastrand::u64(..))
    }

    fn given(text: &str) -> Option<Self> {
        let is_valid = (1..=MAX_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self::Given(text.into()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(id) => write!(f, "{id:016x}"),
            Self::Given(id) => f.write_str(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn sender(proxies: &[&str], peer: &str, headers: &[(&'static str, &'static str)]) -> Sender {
        let proxies: Vec<TrustedProxy> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        TrustedProxies::from(proxies).sender(Some(peer.parse().unwrap()), &map)
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_a_proxy() {
        let proxies = &["10.0.0.0/8", "2001:db8::1"];
        for (peer, lists, expected) in [
            ("192.0.2.9", &["198.51.100.1"][..], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.1, 10.2.2.2"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1 ,10.2.2.2", "2001:db8::1"], "198.51.100.1"),
            ("10.0.0.1", &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            ("10.0.0.1", &["198.51.100.1, nonsense, 10.2.2.2"], "10.2.2.2"),
            ("10.0.0.1", &["198.51.100.1, nonsense"], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("10.0.0.1", &["[2001:db8::2]:4711"], "2001:db8::2"),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1"),
            ("2001:db8::2", &["198.51.100.1"], "2001:db8::2"),
        ] {
            let headers: Vec<_> = lists.iter().map(|list| ("x-forwarded-for", *list)).collect();
            let found = sender(proxies, peer, &headers).address.unwrap();
            assert_eq!(found.to_string(), expected, "{peer} {lists:?}");
        }
        let mut invented = HeaderMap::new();
        invented.insert("x-forwarded-for", HeaderValue::from_bytes(b"\xFF, 198.51.100.1").unwrap());
        let proxies = TrustedProxies::from(vec!["10.0.0.1".parse::<TrustedProxy>().unwrap()]);
        let found = proxies.sender(Some("10.0.0.1".parse().unwrap()), &invented).address.unwrap();
        assert_eq!(found.to_string(), "198.51.100.1");
        assert!(TrustedProxies::default().sender(None, &HeaderMap::new()).address.is_none());
    }

    #[test]
    fn only_a_trusted_proxy_gives_a_valid_id() {
        let long = "x".repeat(65).leak();
        for (peer, id, is_used) in [
            ("10.0.0.1", "f00-1", true),
            ("10.0.0.2", "f00-1", false),
            ("10.0.0.1", "", false),
            ("10.0.0.1", "f00 1", false),
            ("10.0.0.1", long, false),
        ] {
            let found = sender(&["10.0.0.1"], peer, &[("x-request-id", id)]).request.to_string();
            assert_eq!(found == id, is_used, "{found}");
            assert!(is_used || found.len() == 16 && found.bytes().all(|digit| digit.is_ascii_hexdigit()), "{found}");
        }
    }

    #[test]
    fn a_network_is_an_address_or_has_a_prefix() {
        for text in ["10.0.0.0/8", "10.0.0.1", "::1", "2001:db8::/32"] {
            assert!(text.parse::<TrustedProxy>().is_ok(), "{text}");
        }
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0"] {
            assert!(text.parse::<TrustedProxy>().unwrap_err().contains("10.0.0.0/8"), "{text}");
        }
    }
}
