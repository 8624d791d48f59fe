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
    /// By the wire they stand in; in front of the service one for each instance.
    spoilt: Vec<(Between, TcpProxy)>,
    /// Between the target and its database, where single statements are struck.
    pub statements: Option<PgProxy>,
}

impl Wires {
    /// No wire yet; what toxics leave to chance comes from the seed.
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The URL that leads through a wire: with a proxy in it if the scenario spoils it.
    pub(super) async fn lead(
        &mut self,
        scenario: &Scenario,
        between: Between,
        url: String,
    ) -> Result<String, WireError> {
        if !scenario.spoils(between) {
            return Ok(url);
        }
        let what = far_end(between);
        let problem = |problem| WireError::Start { what, problem };
        let proxy = TcpProxy::start(address(what, &url).await?, self.seed).await.map_err(problem)?;
        let through = through(what, &url, proxy.address())?;
        self.spoilt.push((between, proxy));
        Ok(through)
    }

    /// The URL by which the instances reach their database.
    pub(super) async fn lead_to_the_database(
        &mut self,
        scenario: &Scenario,
        direct: &str,
    ) -> Result<String, WireError> {
        let (what, mut url) = (far_end(Between::ServiceDatabase), direct.to_owned());
        if scenario.strikes_the_database() {
            let problem = |problem| WireError::Start { what, problem };
            let proxy = PgProxy::start(address(what, &url).await?).await.map_err(problem)?;
            url = through(what, &url, proxy.address())?;
            self.statements = Some(proxy);
        }
        let led = self.lead(scenario, Between::ServiceDatabase, url).await?;
        if led == direct { Ok(led) } else { without_tls(&led) }
    }

    /// Spoils a wire until the guard drops; none if no proxy stands in it.
    #[must_use]
    pub fn spoil(&self, between: Between, toxic: &Toxic) -> Option<Guard> {
        let there = self.spoilt.iter().filter(|(place, _)| *place == between);
        let guards: Vec<Guard> = there.map(|(_, proxy)| proxy.inject(toxic)).collect();
        (!guards.is_empty()).then(|| Guard::together(guards))
    }
}

/// What a wire leads to.
const fn far_end(between: Between) -> &'static str {
    match between {
        Between::ClientsService => "the service",
        Between::ServiceStripe => "the payment provider",
        Between::ServiceEmail => "the email provider",
        Between::ServiceDatabase => "the database",
    }
}

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
fn without_tls(url: &str) -> Result<String, WireError> {
    let mut parsed = url::Url::parse(url).map_err(|_| no_address(far_end(Between::ServiceDatabase), url))?;
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
        let proxy = "127.0.0.1:7777".parse().unwrap();
        let url = without_tls(&through("the database", given, proxy).unwrap()).unwrap();
        assert_eq!(url, "postgres://me:s%2Fecret@127.0.0.1:7777/shop?application_name=x&sslmode=disable");
        let url = through("the payment provider", "http://127.0.0.1:1/v1/", proxy).unwrap();
        assert_eq!(url, "http://127.0.0.1:7777/v1");
    }

    #[tokio::test]
    async fn a_socket_has_no_address() {
        for url in ["postgres:///db?host=/run/postgresql", "postgres://%2Frun%2Fpostgresql/db", "nonsense"] {
            assert!(matches!(address("the database", url).await, Err(WireError::NoAddress { .. })), "{url}");
        }
    }
}
