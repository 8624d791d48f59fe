//! `/v1/admin/jobs`: every piece of work, by kind and state.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::App;
use crate::http::paging::next_page;
use crate::http::request::{KeyHash, Page};
use crate::office::{Job, JobCount, JobFilter, Office};
use crate::problem::Problem;

#[derive(Serialize, ToSchema)]
pub(crate) struct Jobs {
    jobs: Vec<Job>,
    /// All of them, by kind and state.
    counts: Vec<JobCount>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// Jobs of all kinds, newest first, and how many there are in each state. For staff.
#[utoipa::path(get, path = "/v1/admin/jobs", tag = "admin", security(("staff" = [])), params(JobFilter, Page),
    responses((status = 200, body = Jobs)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(filter): Query<JobFilter>,
    Query(page): Query<Page>,
) -> Result<Json<Jobs>, Problem> {
    let office = Office::enter(&app.pool, &key);
    let jobs = office.jobs(&filter, page.limit(), page.before_text()?).await?;
    let counts = office.job_counts().await?;
    let next = next_page(&jobs, page.limit(), Job::cursor);
    Ok(Json(Jobs { jobs, counts, next }))
}
