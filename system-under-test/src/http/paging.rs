//! Lists in pages: each ends with the cursor of the next one.

use chrono::{DateTime, Utc};
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::App;
use super::request::{Page, cursor};
use crate::database::retrying;
use crate::problem::Problem;

/// One page of what a workspace has, newest first, and the cursor of the next. `read` is a call with the API key's
/// hash, time and id of the row before, and how many; `place` tells a row's time and id.
pub(super) async fn newest_first<T>(
    app: &App,
    read: &'static str,
    key: &[u8],
    page: &Page,
    place: impl Fn(&T) -> (DateTime<Utc>, Uuid),
) -> Result<(Vec<T>, Option<String>), Problem>
where
    T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
{
    let (before, before_id) = page.before()?;
    let rows: Vec<T> = retrying(|| {
        sqlx::query_as(read).bind(key).bind(before).bind(before_id).bind(page.limit()).fetch_all(&app.pool)
    })
    .await?;
    let next = next_page(&rows, page.limit(), |last| {
        let (created_at, id) = place(last);
        cursor(created_at, id)
    });
    Ok((rows, next))
}

/// The cursor behind a full page; a page that is not full is the last.
pub(crate) fn next_page<T>(rows: &[T], limit: i32, of: impl Fn(&T) -> String) -> Option<String> {
    let full = usize::try_from(limit).is_ok_and(|limit| rows.len() == limit);
    rows.last().filter(|_| full).map(of)
}
