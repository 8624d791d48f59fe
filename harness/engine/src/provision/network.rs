//! Keeps traffic on this machine: every address that load or faults may reach is checked before anything starts.

use std::net::{IpAddr, ToSocketAddrs};

/// An address that is not ours to fire at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Not a URL with a host.
    #[error("`{0}` is not a URL with a host")]
    NoHost(String),
    /// Not on this machine.
    #[error(
        "{url} is not a loopback address: a load test there can hurt a bystander. If it is yours, set \
         `allow_remote = true` in the target file and repeat it with --allow-remote"
    )]
    Remote {
        /// The refused URL, without a password.
        url: String,
    },
}

/// Refuses a URL whose host is not this machine's loopback interface.
///
/// # Errors
/// Fails on a URL without a host, and on a host of which any address is not loopback.
pub fn require_loopback(url: &str) -> Result<(), NetworkError> {
    let parsed = url::Url::parse(url).map_err(|_| NetworkError::NoHost(url.to_owned()))?;
    let loopback = match parsed.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        // A folder is a UNIX socket of this machine.
        Some(url::Host::Domain(name)) if name.starts_with("%2F") => true,
        Some(url::Host::Domain(name)) => resolves_to_loopback(name, parsed.port_or_known_default().unwrap_or(0)),
        // Without a host the driver would look at the environment for one: it must be said in the URL.
        None if parsed.scheme().starts_with("postgres") => parsed.query_pairs().any(|(name, _)| name == "host"),
        None => return Err(NetworkError::NoHost(url.to_owned())),
    };
    // libpq lets a query parameter override the host.
    let overridden = parsed.query_pairs().any(|(name, value)| {
        (name == "host" || name == "hostaddr")
            && !value.starts_with('/')
            && !value.parse::<IpAddr>().map_or_else(|_| resolves_to_loopback(&value, 0), |ip| ip.is_loopback())
    });
    if loopback && !overridden {
        return Ok(());
    }
    Err(NetworkError::Remote { url: super::postgres::without_password(url) })
}

fn resolves_to_loopback(name: &str, port: u16) -> bool {
    (name, port).to_socket_addrs().is_ok_and(|addresses| {
        let addresses: Vec<_> = addresses.collect();
        !addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_allowed_and_nothing_else() {
        for url in [
            "http://127.0.0.1:8080",
            "http://127.9.9.9/x",
            "http://[::1]:80",
            "http://localhost:3000",
            "postgres://me@127.0.0.1/db",
            "postgres:///db?host=/run/postgresql",
        ] {
            assert_eq!(require_loopback(url), Ok(()), "{url}");
        }
        for url in [
            "http://10.0.0.1",
            "http://192.168.1.1:80",
            "http://169.254.169.254/",
            "http://0.0.0.0:80",
            "http://[2001:db8::1]/",
            "postgres://me@192.0.2.1/db",
            "postgres://me@127.0.0.1/db?host=192.0.2.1",
            "http://host.invalid",
            "postgres:///db",
            "nonsense",
        ] {
            assert!(require_loopback(url).is_err(), "{url} was allowed");
        }
    }

    #[test]
    fn the_refusal_hides_the_password() {
        let error = require_loopback("postgres://me:secret@192.0.2.1/db").unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
