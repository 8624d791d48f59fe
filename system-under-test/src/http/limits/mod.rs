//! Rate limits: one round trip before the request, to the one row that all instances share.
//!
//! The row is taken in a db_tx of its own on connections of its own: the request holds no lock on it, and waits for
//! no flush, since a crash of the database that forgets the last moments of a budget harms nobody. Who has no valid
//! key counts by address, so guessing keys is limited like everything else.

mod kind;
pub(super) mod overrides;
mod peer;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response};
use axum::middleware::Next;
use axum::response::IntoResponse;
use futures::future::BoxFuture;
use sqlx::PgPool;

pub(crate) use self::kind::LimitKind;
use super::App;
use super::layers::Workspace;
use super::request::key_hash;
use crate::database::retrying;
use crate::network::Network;
use crate::problem::Problem;
use crate::seams::{Admission, Call, Counting};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The budgets, in the database.
#[derive(Clone, Debug)]
pub(crate) struct Limits(PgPool);

/// What the answer tells of the caller's budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    kind: LimitKind,
    limit: i32,
    remaining: i32,
    more_in: i32,
}

impl Limits {
    /// Over the pool of `database::limits_pool`.
    pub(crate) fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

impl Counting for Limits {
    fn address(&self, request: &Request, trusted: &[Network]) -> String {
        peer::address(request, trusted)
    }

    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Admission, sqlx::Error>> {
        Box::pin(retrying(|| {
            sqlx::query_as("SELECT * FROM admit($1, $2, $3, $4, $5)")
                .bind(&call.key_hash)
                .bind(&call.address)
                .bind(call.kind)
                .bind(call.per_minute)
                .bind(call.now)
                .fetch_one(&self.0)
        }))
    }
}

/// The layer: admits a request, or answers 429.
pub(super) async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let route = request.extensions().get::<MatchedPath>();
    let kind = route.and_then(|route| LimitKind::of(request.method(), route.as_str()));
    let Some((kind, limit)) = kind.and_then(|kind| Some((kind, kind.per_minute(&app.settings)?))) else {
        return next.run(request).await;
    };
    let call = Call {
        key_hash: key_hash(request.headers()),
        address: app.limits.address(&request, &app.settings.trusted_proxies),
        kind: kind.name(),
        per_minute: limit,
        now: app.clock.now(),
    };
    let admission = match app.limits.admit(&call).await {
        Ok(admission) => admission,
        Err(error) => return Problem::from(error).into_response(),
    };
    let standing = Standing::of(kind, &admission);
    let mut response = match standing {
        Some(standing) if !admission.admitted => standing.refusal().into_response(),
        _ => next.run(request).await,
    };
    let extensions = response.extensions_mut();
    if let Some(standing) = standing {
        extensions.insert(standing);
    }
    if let (Some(workspace_id), None) = (admission.workspace_id, extensions.get::<Workspace>()) {
        extensions.insert(Workspace(workspace_id));
    }
    response
}

impl Standing {
    fn of(kind: LimitKind, admission: &Admission) -> Option<Self> {
        let Admission { per_minute: Some(limit), remaining: Some(remaining), more_in: Some(more_in), .. } = *admission
        else {
            return None;
        };
        Some(Self { kind, limit, remaining, more_in })
    }

    fn refusal(&self) -> Problem {
        let Self { kind, limit, more_in, .. } = *self;
        let name = kind.name().replace('_', " ");
        let detail = format!("More than {limit} {name} per minute. Try again in {more_in} s.");
        Problem::new("rate_limited", &detail)
            .with("kind", kind.name())
            .with("limit", limit)
            .with("retry_after", more_in)
            .after(u64::try_from(more_in).unwrap_or(1))
    }

    /// The headers of draft-ietf-httpapi-ratelimit-headers. `t` is when `r` grows by one: a budget that flows back
    /// bit by bit has no other reset.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let Self { kind, limit, remaining, more_in } = *self;
        let name = kind.name();
        for (header, text) in
            [(POLICY, format!("\"{name}\";q={limit};w=60")), (LIMIT, format!("\"{name}\";r={remaining};t={more_in}"))]
        {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(header, value);
            }
        }
    }
}
