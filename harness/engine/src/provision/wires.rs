//! The wires that a scenario spoils: a proxy in each of them, and the URLs that lead through it.

use std::net::SocketAddr;

use overdraft_faults::{ProxyError, guard::Guard, postgres::PgProxy, tcp::TcpProxy};
use overdraft_model::{
    fault::toxic::{Between, Toxic},
    scenario::Scenario,
};

/// Why there is no proxy.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The URL names no host and port: a UNIX socket, or nothing.
    #[error("{what} is not reached by host and port, so nothing can stand in between: {url}")]
    NoAddress {
        /// What the URL leads to.
        what: &'static str,
        /// The URL, without a password.
        url: String,
    },
    /// It could not be started.
    #[error("the proxy in front of {what}: {problem}")]
    Start {
        /// What it stands in front of.
        what: &'static str,
        /// What went wrong.
        problem: ProxyError,
    },
}

/// The proxies of one scenario. A wire that nothing spoils has none, and costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Wires {
    seed: u64,
    /// In front of each instance, in their order.
    clients: Vec<TcpProxy>,
    stripe: Option<TcpProxy>,
    email: Option<TcpProxy>,
    database: Option<TcpProxy>,
    /// Between the target and its database, where single statements are struck.
    pub statements: Option<PgProxy>,
}

impl Wires {
    /// No wire yet; what toxics leave to chance comes from the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The URL by which the instances reach their database.
    pub(super) async fn lead_to_the_database(&mut self, scenario: &Scenario, url: &str) -> Result<String, WireError> {
        let mut url = url.to_owned();
        if scenario.strikes_the_database() {
            let problem = |problem| WireError::Start { what: DATABASE, problem };
            let proxy = PgProxy::start(address(DATABASE, &url).await?).await.map_err(problem)?;
            url = to_database_through(&url, proxy.address())?;
            self.statements = Some(proxy);
        }
        if scenario.spoils(Between::ServiceDatabase) {
            let proxy = self.tcp(DATABASE, &url).await?;
            url = to_database_through(&url, proxy.address())?;
            self.database = Some(proxy);
        }
        Ok(url)
    }

    /// The URL by which the instances reach the payment provider.
    pub(super) async fn lead_to_stripe(&mut self, scenario: &Scenario, url: String) -> Result<String, WireError> {
        if !scenario.spoils(Between::ServiceStripe) {
            return Ok(url);
        }
        let proxy = self.tcp(STRIPE, &url).await?;
        let through = through(STRIPE, &url, proxy.address())?;
        self.stripe = Some(proxy);
        Ok(through)
    }

    /// The URL by which the instances reach the email provider.
    pub(super) async fn lead_to_email(&mut self, scenario: &Scenario, url: String) -> Result<String, WireError> {
        if !scenario.spoils(Between::ServiceEmail) {
            return Ok(url);
        }
        let proxy = self.tcp(EMAIL, &url).await?;
        let through = through(EMAIL, &url, proxy.address())?;
        self.email = Some(proxy);
        Ok(through)
    }

    /// The URLs by which clients reach the instances.
    pub(super) async fn lead_to_the_service(
        &mut self,
        scenario: &Scenario,
        urls: Vec<String>,
    ) -> Result<Vec<String>, WireError> {
        if !scenario.spoils(Between::ClientsService) {
            return Ok(urls);
        }
        let mut throughs = Vec::new();
        for url in &urls {
            let proxy = self.tcp(SERVICE, url).await?;
            throughs.push(through(SERVICE, url, proxy.address())?);
            self.clients.push(proxy);
        }
        Ok(throughs)
    }

    /// Spoils a wire until the guard drops; none if no proxy stands in it.
    #[must_use]
    pub fn spoil(&self, between: Between, toxic: &Toxic) -> Option<Guard> {
        let proxies = match between {
            Between::ClientsService => self.clients.as_slice(),
            Between::ServiceStripe => self.stripe.as_slice(),
            Between::ServiceEmail => self.email.as_slice(),
            Between::ServiceDatabase => self.database.as_slice(),
        };
        let guards: Vec<Guard> = proxies.iter().map(|proxy| proxy.inject(toxic)).collect();
        (!guards.is_empty()).then(|| Guard::together(guards))
    }

    async fn tcp(&self, what: &'static str, url: &str) -> Result<TcpProxy, WireError> {
        let problem = |problem| WireError::Start { what, problem };
        TcpProxy::start(address(what, url).await?, self.seed).await.map_err(problem)
    }
}

const DATABASE: &str = "the database";
const STRIPE: &str = "the payment provider";
const EMAIL: &str = "the email provider";
const SERVICE: &str = "the service";

fn no_address(what: &'static str, url: &str) -> WireError {
    WireError::NoAddress { what, url: super::postgres::without_password(url) }
}

/// Where a URL leads.
async fn address(what: &'static str, url: &str) -> Result<SocketAddr, WireError> {
    let no_address = || no_address(what, url);
    let parsed = url::Url::parse(url).map_err(|_| no_address())?;
    let host = parsed.host_str().filter(|host| !host.is_empty() && !host.starts_with("%2F")).ok_or_else(no_address)?;
    let port = parsed.port_or_known_default().unwrap_or(5432);
    let mut found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await.map_err(|_| no_address())?;
    found.next().ok_or_else(no_address)
}

/// The same URL by way of a proxy; the scheme stays, so what speaks TLS goes on to.
fn through(what: &'static str, url: &str, proxy: SocketAddr) -> Result<String, WireError> {
    let mut parsed = url::Url::parse(url).map_err(|_| no_address(what, url))?;
    let moved = parsed.set_host(Some(&proxy.ip().to_string())).is_ok() && parsed.set_port(Some(proxy.port())).is_ok();
    if moved { Ok(parsed.as_str().trim_end_matches('/').to_owned()) } else { Err(no_address(what, url)) }
}

/// A proxy that reads statements speaks no TLS, so the client must not insist on it.
fn to_database_through(url: &str, proxy: SocketAddr) -> Result<String, WireError> {
    let url = through(DATABASE, url, proxy)?;
    let mut parsed = url::Url::parse(&url).map_err(|_| no_address(DATABASE, &url))?;
    let kept: Vec<(String, String)> = parsed
        .query_pairs()
        .filter(|(name, _)| name != "sslmode")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    parsed.query_pairs_mut().clear().extend_pairs(kept).append_pair("sslmode", "disable");
    Ok(parsed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_leads_through_the_proxy_and_keeps_the_rest() {
        let given = "postgres://me:s%2Fecret@localhost:5433/shop?sslmode=require&application_name=x";
        let url = to_database_through(given, "127.0.0.1:7777".parse().unwrap()).unwrap();
        assert_eq!(url, "postgres://me:s%2Fecret@127.0.0.1:7777/shop?application_name=x&sslmode=disable");
        let url = through(STRIPE, "http://127.0.0.1:1/v1/", "127.0.0.1:7777".parse().unwrap()).unwrap();
        assert_eq!(url, "http://127.0.0.1:7777/v1");
    }

    #[tokio::test]
    async fn a_socket_has_no_address() {
        for url in ["postgres:///db?host=/run/postgresql", "postgres://%2Frun%2Fpostgresql/db", "nonsense"] {
            assert!(matches!(address(DATABASE, url).await, Err(WireError::NoAddress { .. })), "{url}");
        }
    }
}
