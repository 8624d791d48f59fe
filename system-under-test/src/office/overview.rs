//! The counts that need attention.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::Office;
use crate::database::retrying;

/// How things stand.
#[derive(Debug, FromRow)]
pub(crate) struct Overview {
    /// Dead letters that nobody has retried.
    pub(crate) dead_letters: i64,
    /// When the first of them was buried.
    pub(crate) oldest_dead_letter: Option<DateTime<Utc>>,
    /// Stripe's events that are still to be processed.
    pub(crate) webhooks: i64,
    /// Emails that are still to be sent.
    pub(crate) emails: i64,
    /// Alerts that are still to be posted.
    pub(crate) alerts_pending: i64,
    /// Alerts that the hook refused for good.
    pub(crate) alerts_failed: i64,
    /// Credit purchases begun more than a day ago and not paid.
    pub(crate) unpaid: i64,
    /// Purchases of leads in the last day, and the credits spent on them.
    pub(crate) sales: i64,
    pub(crate) sales_credits: i64,
    /// Credit purchases of the last day that were paid, and their credits.
    pub(crate) orders: i64,
    pub(crate) orders_credits: i64,
}

impl Office<'_> {
    /// How things stand at `now`.
    pub(crate) async fn overview(&self, now: DateTime<Utc>) -> Result<Overview, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM read_overview($1, $2)").bind(self.caller).bind(now).fetch_one(self.pool)
        })
        .await
    }
}
