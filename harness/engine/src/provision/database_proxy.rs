//! A proxy in front of the database, and the URL by which the instances reach the one through the other.

use std::net::SocketAddr;

use overdraft_faults::{ProxyError, postgres::PgProxy};

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseProxyError {
    /// The URL names no host and port: a UNIX socket, or nothing.
    #[error("the database is not reached by host and port, so nothing can stand in between: {0}")]
    NoAddress(String),
    /// It could not be started.
    #[error("the proxy in front of the database: {0}")]
    Start(#[from] ProxyError),
}

/// Starts a proxy in front of the server of a URL.
pub(super) async fn start(database_url: &str) -> Result<(PgProxy, String), DatabaseProxyError> {
    let no_address = || DatabaseProxyError::NoAddress(super::postgres::without_password(database_url));
    let mut url = url::Url::parse(database_url).map_err(|_| no_address())?;
    let host = url.host_str().filter(|host| !host.is_empty() && !host.starts_with("%2F")).ok_or_else(no_address)?;
    let (host, port) = (host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(5432));
    let mut upstream = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|_| no_address())?;
    let proxy = PgProxy::start(upstream.next().ok_or_else(no_address)?).await?;
    through(&mut url, proxy.address()).map_err(|()| no_address())?;
    Ok((proxy, url.into()))
}

/// The proxy speaks no TLS, so the client must not insist on it.
fn through(url: &mut url::Url, proxy: SocketAddr) -> Result<(), ()> {
    url.set_host(Some(&proxy.ip().to_string())).map_err(|_| ())?;
    url.set_port(Some(proxy.port()))?;
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "sslmode")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept).append_pair("sslmode", "disable");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_leads_through_the_proxy_and_keeps_the_rest() {
        let given = "postgres://me:s%2Fecret@localhost:5433/shop?sslmode=require&application_name=x";
        let mut url = url::Url::parse(given).unwrap();
        through(&mut url, "127.0.0.1:7777".parse().unwrap()).unwrap();
        assert_eq!(url.as_str(), "postgres://me:s%2Fecret@127.0.0.1:7777/shop?application_name=x&sslmode=disable");
    }

    #[tokio::test]
    async fn a_socket_has_no_address() {
        for url in ["postgres:///db?host=/run/postgresql", "postgres://%2Frun%2Fpostgresql/db", "nonsense"] {
            assert!(matches!(start(url).await, Err(DatabaseProxyError::NoAddress(_))), "{url}");
        }
    }
}
