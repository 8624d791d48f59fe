//! `/v1/campaigns`: sequences of emails to lists of recipients.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::layers::{RequestId, no_such_route};
use super::paging::newest_first;
use super::purchases::respond;
use super::request::{KeyHash, Page, idempotency_key, json as parse, request_hash};
use crate::database::retrying;
use crate::email::Address;
use crate::problem::Problem;
use crate::seams::Answer;

/// Steps of a campaign at most.
const MOST_STEPS: usize = 20;
/// Recipients in one request at most: they fit into the largest body.
const MOST_RECIPIENTS: usize = 1_000;
/// Longest wait between two steps: a year.
const LONGEST_DELAY_S: i64 = 366 * 86_400;

#[derive(Deserialize, ToSchema)]
struct NewCampaign {
    name: String,
    /// 1 to 20, sent in this order.
    steps: Vec<NewStep>,
}

#[derive(Deserialize, ToSchema)]
struct NewStep {
    subject: String,
    /// Plain text; a link to unsubscribe is added.
    body: String,
    /// Seconds after the start, or after the step before was sent.
    #[serde(default)]
    delay_s: i64,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
struct Created {
    id: Uuid,
}

/// Creates a campaign, as a draft.
#[utoipa::path(post, path = "/v1/campaigns", tag = "campaigns", security(("member" = [])),
    request_body = NewCampaign, responses((status = 201, body = Created)),
    extensions(("x-problems" = json!(["idempotency_key_missing"]))))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    KeyHash(key): KeyHash,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let NewCampaign { name, steps } = campaign(&body)?;
    let hash = request_hash("POST /v1/campaigns", &body);
    let subjects: Vec<&str> = steps.iter().map(|step| step.subject.as_str()).collect();
    let bodies: Vec<&str> = steps.iter().map(|step| step.body.as_str()).collect();
    let delays: Vec<i64> = steps.iter().map(|step| step.delay_s).collect();
    let answer: Answer = retrying(|| {
        sqlx::query_as("SELECT * FROM create_campaign($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
            .bind(&key)
            .bind(&idempotency_key)
            .bind(&hash)
            .bind(&request_id)
            .bind(&name)
            .bind(&subjects)
            .bind(&bodies)
            .bind(&delays)
            .bind(&app.settings.public_url)
            .bind(app.clock.now())
            .fetch_one(&app.pool)
    })
    .await?;
    Ok(respond(answer))
}

fn campaign(body: &[u8]) -> Result<NewCampaign, Problem> {
    let campaign: NewCampaign = parse(body)?;
    let line = |text: &str| !text.trim().is_empty() && text.len() <= 998 && !text.contains(char::is_control);
    if !line(&campaign.name) || !campaign.steps.iter().all(|step| line(&step.subject) && !step.body.is_empty()) {
        return Err(Problem::invalid_request("name and each subject must be one line, and each body a text."));
    }
    if !(1..=MOST_STEPS).contains(&campaign.steps.len()) {
        return Err(Problem::invalid_request(&format!("steps must be 1 to {MOST_STEPS}.")));
    }
    if !campaign.steps.iter().all(|step| (0..=LONGEST_DELAY_S).contains(&step.delay_s)) {
        return Err(Problem::invalid_request(&format!("delay_s must be 0 to {LONGEST_DELAY_S}.")));
    }
    Ok(campaign)
}

#[derive(Deserialize, ToSchema)]
struct NewRecipients {
    /// 1 to 1000 addresses. One that is there already, in whatever case, is not added again.
    emails: Vec<String>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
struct Added {
    added: i64,
    total: i64,
}

/// Adds recipients. To a campaign that is running they are added at its first step.
#[utoipa::path(post, path = "/v1/campaigns/{id}/recipients", tag = "campaigns", security(("member" = [])),
    params(("id" = Uuid, Path)), request_body = NewRecipients, responses((status = 200, body = Added)),
    extensions(("x-problems" = json!(["idempotency_key_missing", "campaign_not_found"]))))]
pub(crate) async fn add_recipients(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    KeyHash(key): KeyHash,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let id = campaign_id(&id)?;
    let (given, folded): (Vec<String>, Vec<String>) =
        addresses(&body)?.into_iter().map(|Address { given, folded }| (given, folded)).unzip();
    let hash = request_hash(&format!("POST /v1/campaigns/{id}/recipients"), &body);
    let answer: Answer = retrying(|| {
        sqlx::query_as("SELECT * FROM add_campaign_recipients($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(&key)
            .bind(&idempotency_key)
            .bind(&hash)
            .bind(&request_id)
            .bind(id)
            .bind(&given)
            .bind(&folded)
            .bind(app.clock.now())
            .fetch_one(&app.pool)
    })
    .await?;
    Ok(respond(answer))
}

fn addresses(body: &[u8]) -> Result<Vec<Address>, Problem> {
    let NewRecipients { emails } = parse(body)?;
    if !(1..=MOST_RECIPIENTS).contains(&emails.len()) {
        return Err(Problem::invalid_request(&format!("emails must be 1 to {MOST_RECIPIENTS} addresses.")));
    }
    let parse = |email: &String| {
        Address::parse(email).ok_or_else(|| Problem::invalid_request(&format!("{email:?} is not an email address.")))
    };
    emails.iter().map(parse).collect()
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
struct Moved {
    id: Uuid,
    /// `running` or `paused`.
    status: String,
}

/// What a campaign can be told to do, as the path spells it.
const MOVES: [&str; 3] = ["start", "pause", "resume"];

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the document: a path is matched by hand, so that a wrong one is no endpoint")]
enum Move {
    Start,
    Pause,
    Resume,
}

/// Starts a draft, pauses what runs (what was not handed to the provider yet is held), or resumes it where it stopped.
#[utoipa::path(post, path = "/v1/campaigns/{id}/{move}", tag = "campaigns", security(("member" = [])),
    params(("id" = Uuid, Path), ("move" = inline(Move), Path)), responses((status = 200, body = Moved)),
    extensions(("x-problems" = json!(["idempotency_key_missing", "campaign_not_found", "campaign_state"]))))]
pub(crate) async fn change(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    KeyHash(key): KeyHash,
    Path((id, to)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    if !MOVES.contains(&to.as_str()) {
        return Err(no_such_route().await.1);
    }
    let id = campaign_id(&id)?;
    let hash = request_hash(&format!("POST /v1/campaigns/{id}/{to}"), &body);
    let answer: Answer = retrying(|| {
        sqlx::query_as("SELECT * FROM move_campaign($1, $2, $3, $4, $5, $6, $7)")
            .bind(&key)
            .bind(&idempotency_key)
            .bind(&hash)
            .bind(&request_id)
            .bind(id)
            .bind(&to)
            .bind(app.clock.now())
            .fetch_one(&app.pool)
    })
    .await?;
    Ok(respond(answer))
}

#[derive(FromRow, Serialize, ToSchema)]
pub(crate) struct Campaign {
    id: Uuid,
    name: String,
    /// `draft`, `running` or `paused`.
    status: String,
    created_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Campaigns {
    campaigns: Vec<Campaign>,
    /// The cursor of the next page; null on the last.
    next: Option<String>,
}

/// The workspace's campaigns, newest first.
#[utoipa::path(get, path = "/v1/campaigns", tag = "campaigns", security(("member" = [])), params(Page),
    responses((status = 200, body = Campaigns)))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Query(page): Query<Page>,
) -> Result<Json<Campaigns>, Problem> {
    let read = "SELECT * FROM read_campaigns($1, $2, $3, $4)";
    let (campaigns, next) = newest_first(&app, read, &key, &page, |last: &Campaign| (last.created_at, last.id)).await?;
    Ok(Json(Campaigns { campaigns, next }))
}

/// One campaign, with how many recipients are where and what became of each step.
#[utoipa::path(get, path = "/v1/campaigns/{id}", tag = "campaigns", security(("member" = [])),
    params(("id" = Uuid, Path)), responses((status = 200, body = Value)),
    extensions(("x-problems" = json!(["campaign_not_found"]))))]
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    KeyHash(key): KeyHash,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id = campaign_id(&id)?;
    let found: Option<Value> =
        retrying(|| sqlx::query_scalar("SELECT read_campaign($1, $2)").bind(&key).bind(id).fetch_one(&app.pool))
            .await?;
    found.map(Json).ok_or_else(missing)
}

fn campaign_id(id: &str) -> Result<Uuid, Problem> {
    Uuid::parse_str(id).map_err(|_| missing())
}

fn missing() -> Problem {
    Problem::not_found("campaign_not_found", "No campaign of this workspace has this id.")
}
