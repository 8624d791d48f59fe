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
use chrono::{DateTime, Utc};
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) use self::kind::LimitKind;
use super::App;
use super::layers::Workspace;
use super::request::key_hash;
use crate::database::retrying;
use crate::problem::Problem;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The budgets, in the database.
#[derive(Clone, Debug)]
pub(crate) struct Limits(PgPool);

/// What the function `admit` says of a request.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Admission {
    workspace_id: Option<Uuid>,
    per_minute: Option<i32>,
    admitted: bool,
    remaining: Option<i32>,
    more_in: Option<i32>,
}

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

    async fn admit(
        &self,
        key: Option<&[u8]>,
        address: &str,
        kind: LimitKind,
        per_minute: i32,
        now: DateTime<Utc>,
    ) -> Result<Admission, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM admit($1, $2, $3, $4, $5)")
                .bind(key)
                .bind(address)
                .bind(kind.name())
                .bind(per_minute)
                .bind(now)
                .fetch_one(&self.0)
        })
        .await
    }
}

/// The layer: admits a request, or answers 429.
pub(super) async fn limit(State(app): State<Arc<App>>, request: Request, next: Next) -> Response<Body> {
    let route = request.extensions().get::<MatchedPath>();
    let kind = route.and_then(|route| LimitKind::of(request.method(), route.as_str()));
    let Some((kind, limit)) = kind.and_then(|kind| Some((kind, kind.per_minute(&app.settings)?))) else {
        return next.run(request).await;
    };
    let key = key_hash(request.headers());
    let address = peer::address(&request, &app.settings.trusted_proxies);
    let admitted = app.limits.admit(key.as_deref(), &address, kind, limit, app.clock.now()).await;
    let admission = match admitted {
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
