//! Which budget a request comes out of.

use axum::http::Method;

use crate::settings::Settings;

/// A kind of request that has a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LimitKind {
    /// What changes nothing.
    Reads,
    /// What changes something, the two below apart.
    Writes,
    /// Leads for credits.
    Purchases,
    /// Credits for money.
    CreditPurchases,
}

impl LimitKind {
    /// Every kind.
    pub(crate) const ALL: [Self; 4] = [Self::Reads, Self::Writes, Self::Purchases, Self::CreditPurchases];

    /// The kind of a request by its method and the path of its route; `None` for what is not limited: a probe must
    /// not be refused (nor need the database), and a webhook refused is money that arrives late, while an unsigned
    /// one costs nothing. The test clock is not there in production.
    pub(crate) fn of(method: &Method, route: &str) -> Option<Self> {
        if route.starts_with("/health") || route.starts_with("/webhooks/") || route == "/test-clock" {
            return None;
        }
        Some(match (method, route) {
            (&Method::POST, "/v1/purchases") => Self::Purchases,
            (&Method::POST, "/v1/credit-purchases") => Self::CreditPurchases,
            (&Method::GET | &Method::HEAD | &Method::OPTIONS, _) => Self::Reads,
            _ => Self::Writes,
        })
    }

    /// Its name, in headers, in paths and in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Purchases => "purchases",
            Self::CreditPurchases => "credit_purchases",
        }
    }

    /// Requests per minute by the settings; `None` if there is no limit.
    pub(super) fn per_minute(self, settings: &Settings) -> Option<i32> {
        let limit = match self {
            Self::Reads => settings.rate_limit_reads,
            Self::Writes => settings.rate_limit_writes,
            Self::Purchases => settings.rate_limit_purchases,
            Self::CreditPurchases => settings.rate_limit_credit_purchases,
        };
        (limit > 0).then_some(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_one_kind_and_probes_have_none() {
        let of = |method: &str, route| LimitKind::of(&method.parse().unwrap(), route).map(LimitKind::name);
        assert_eq!(of("POST", "/v1/purchases"), Some("purchases"));
        assert_eq!(of("GET", "/v1/purchases"), Some("reads"));
        assert_eq!(of("POST", "/v1/credit-purchases"), Some("credit_purchases"));
        assert_eq!(of("HEAD", "/v1/credit-purchases/{id}"), Some("reads"));
        assert_eq!(of("DELETE", "/anything"), Some("writes"));
        for exempt in ["/health", "/health/live", "/webhooks/stripe", "/test-clock"] {
            assert_eq!(of("POST", exempt), None, "{exempt}");
        }
    }
}
