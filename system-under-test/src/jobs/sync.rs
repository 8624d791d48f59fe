//! Data sync: new leads and purchases, pushed page by page to `DATA_SYNC_URL` (a warehouse, a CRM).
//!
//! Each page is a step, so a sync that was cut off goes on with the page it had not delivered. A page whose
//! answer was lost is sent again with the same Idempotency-Key and the same rows: the receiver sees each row
//! at least once, and can tell. What was written a moment ago is left for the next sync, because a db_tx that
//! began before it may still commit a row that sorts before it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use uuid::Uuid;

use super::Work;
use super::attempt::{Ended, Failure, judge};
use super::general::Job;
use crate::backoff::asked;
use crate::database::retrying;

/// What is pushed, in this order: a purchase names leads.
const STREAMS: [&str; 2] = ["leads", "purchases"];
/// Pages of one stream that one job pushes at most; the next sync goes on from there.
const MOST_PAGES: u32 = 1_000;

/// Queues a sync, if there is something to push and none is under way.
pub(crate) async fn queue(work: &Work) -> Result<(), sqlx::Error> {
    let until = until(work);
    sqlx::query("SELECT queue_data_sync($1)").bind(until).execute(&work.0.pool).await.map(|_| ())
}

fn until(work: &Work) -> DateTime<Utc> {
    work.0.clock.now() - work.0.settings.data_sync_lag
}

/// The last row that was pushed.
#[derive(Clone, Copy, Debug, Deserialize, FromRow, Serialize)]
struct Cursor {
    created_at: DateTime<Utc>,
    id: Uuid,
}

/// What pushing one page came to.
#[derive(Debug, Deserialize, Serialize)]
struct Pushed {
    cursor: Cursor,
    more: bool,
}

/// Pushes every stream from its cursor to a moment that is fixed for this job.
pub(crate) async fn run(job: &Job<'_>) -> Result<(), Ended> {
    let pool = &job.work.0.pool;
    let until: DateTime<Utc> = job.step("until", || async { Ok(until(job.work)) }).await?;
    for stream in STREAMS {
        let mut cursor: Cursor = job
            .step(&format!("{stream} from"), || async {
                Ok(sqlx::query_as("SELECT * FROM sync_cursor($1)").bind(stream).fetch_one(pool).await?)
            })
            .await?;
        for page in 1..=MOST_PAGES {
            let name = format!("{stream} {page}");
            let pushed: Pushed = job.step(&name, || push(job, stream, page, cursor, until)).await?;
            cursor = pushed.cursor;
            if !pushed.more {
                break;
            }
        }
        retrying(|| {
            sqlx::query("SELECT sync_reached($1, $2, $3)")
                .bind(stream)
                .bind(cursor.created_at)
                .bind(cursor.id)
                .execute(pool)
        })
        .await?;
    }
    Ok(())
}

#[derive(FromRow)]
struct Row {
    created_at: DateTime<Utc>,
    id: Uuid,
    data: Value,
}

async fn push(job: &Job<'_>, stream: &str, page: u32, after: Cursor, until: DateTime<Utc>) -> Result<Pushed, Ended> {
    let settings = &job.work.0.settings;
    let Some(url) = &settings.data_sync_url else {
        return Err(lost("this instance has no DATA_SYNC_URL").into());
    };
    let rows: Vec<Row> = sqlx::query_as("SELECT * FROM sync_page($1, $2, $3, $4, $5)")
        .bind(stream)
        .bind(after.created_at)
        .bind(after.id)
        .bind(until)
        .bind(settings.data_sync_page)
        .fetch_all(&job.work.0.pool)
        .await?;
    let Some(last) = rows.last() else {
        return Ok(Pushed { cursor: after, more: false });
    };
    let cursor = Cursor { created_at: last.created_at, id: last.id };
    let more = usize::try_from(settings.data_sync_page).is_ok_and(|full| rows.len() == full);
    let rows: Vec<Value> = rows.into_iter().map(|row| row.data).collect();
    let sent = job
        .work
        .0
        .client
        .post(url.expose())
        .header("Idempotency-Key", format!("sync_{}_{stream}_{page}", job.id))
        .json(&json!({ "stream": stream, "rows": rows }))
        .send()
        .await;
    // The address may carry a token, so the error is told without it.
    let response = sent.map_err(|error| lost(&format!("no answer: {}", error.without_url())))?;
    judge("the receiver of the data sync", response.status(), asked(response.headers()))?;
    Ok(Pushed { cursor, more })
}

fn lost(reason: &str) -> Failure {
    Failure { reason: reason.to_owned(), permanent: false, retry_after: None }
}
