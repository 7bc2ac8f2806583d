//! Limits the answers to requests with an invalid API key or token.
//!
//! Only a look-up shows that a key is invalid, and a valid key must pass. So the limit is asked after the look-up: it limits how much
//! such requests write to the log, and it tells a client to slow down. It does not stop a client from guessing.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

/// The greatest number of clients with a limit of their own. While so many are known, all clients share one.
const CLIENTS: usize = 10_000;

/// Decides which requests with an invalid key are answered as usual.
#[derive(Debug)]
pub(crate) struct InvalidKeys {
    /// `None` if there is no limit.
    clients: Option<DefaultKeyedRateLimiter<Client>>,
    /// Forgetting clients takes time in proportion to their number, so it is limited too.
    cleaning: DefaultDirectRateLimiter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Client {
    V4(Ipv4Addr),
    /// The first 64 bits of an address, because a client usually has all addresses that start with them.
    V6(u128),
    Others,
}

impl InvalidKeys {
    /// Allows `per_minute` requests per client and minute. With 0, there is no limit.
    pub(crate) fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self {
            clients: quota.map(RateLimiter::keyed),
            cleaning: RateLimiter::direct(Quota::per_second(NonZeroU32::MIN)),
        }
    }

    /// Returns `true` if the client may have another answer that its key is invalid. Clients without an address share a limit.
    pub(crate) fn allows(&self, address: Option<IpAddr>) -> bool {
        let Some(clients) = &self.clients else { return true };
        if clients.len() >= CLIENTS && self.cleaning.check().is_ok() {
            clients.retain_recent();
        }
        let own = address.filter(|_| clients.len() < CLIENTS);
        let client = own.map_or(Client::Others, Client::from);
        clients.check_key(&client).is_ok()
    }
}

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address.to_bits() >> 64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_ipv4_address_or_the_first_half_of_an_ipv6_address() {
        let keys = InvalidKeys::new(1);
        for (address, is_allowed) in [
            ("192.0.2.1", true),
            ("192.0.2.1", false),
            ("::ffff:192.0.2.1", false),
            ("192.0.2.2", true),
            ("2001:db8::1", true),
            ("2001:db8::2", false),
            ("2001:db8:0:1::1", true),
        ] {
            assert_eq!(keys.allows(Some(address.parse().unwrap())), is_allowed, "{address}");
        }
        assert!((0..100).all(|_| InvalidKeys::new(0).allows(Some(IpAddr::from([192, 0, 2, 1])))));
    }

    #[test]
    fn the_number_of_clients_is_bounded() {
        let keys = InvalidKeys::new(1);
        let address = |number: u32| Some(IpAddr::from(number.to_be_bytes()));
        let allowed = (0..30_000).filter(|number| keys.allows(address(*number))).count();
        assert!(allowed <= CLIENTS + 2, "{allowed}");
        assert!(keys.clients.unwrap().len() <= CLIENTS + 1);
    }
}
