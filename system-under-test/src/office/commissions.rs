//! Commissions held against their rule: what is due, what was accrued, what the ledger moved.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Office;
use crate::database::retrying;

/// Sales that are looked at if no beginning is given: a reconciliation reads every sale of its period.
const DAYS: i64 = 31;
/// Differing sales of one partner that are told one by one.
const TOLD: i32 = 50;

/// The sales of a period. All amounts are credits.
#[derive(Debug, FromRow, Serialize, ToSchema)]
pub(crate) struct PartnerCommissions {
    /// The partner's workspace.
    pub(crate) workspace_id: Uuid,
    /// Its name.
    pub(crate) workspace: String,
    /// Leads sold.
    pub(crate) sales: i64,
    /// By the rule: the percentage of each price, rounded down.
    pub(crate) due: i64,
    /// Written down as commissions.
    pub(crate) accrued: i64,
    /// Moved to the partner's account by the ledger.
    pub(crate) paid: i64,
    /// Purchases in which the three differ.
    pub(crate) differing: i64,
    /// The newest of these, 50 at most.
    #[schema(value_type = Vec<Difference>)]
    pub(crate) differences: Json<Vec<Difference>>,
}

/// A purchase in which due, accrued and paid are not the same.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Difference {
    pub(crate) purchase_id: Uuid,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) due: i64,
    pub(crate) accrued: i64,
    pub(crate) paid: i64,
}

/// Which sales to look at.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Period {
    /// At this time or later; without it, 31 days ago.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Before this time; without it, up to now.
    pub(crate) to: Option<DateTime<Utc>>,
}

impl Period {
    /// When it begins, given what time it is.
    pub(crate) fn begins(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.from.unwrap_or(now - TimeDelta::days(DAYS))
    }
}

impl Office<'_> {
    /// Every partner with sales or commissions in the period, those with differences first.
    pub(crate) async fn commissions(
        &self,
        period: Period,
        now: DateTime<Utc>,
    ) -> Result<Vec<PartnerCommissions>, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM reconcile_commissions($1, $2, $3, $4)")
                .bind(self.caller)
                .bind(period.begins(now))
                .bind(period.to)
                .bind(TOLD)
                .fetch_all(self.pool)
        })
        .await
    }
}
