//! Purchases of every workspace: of leads for credits, and of credits for money.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use sqlx::types::Json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Office;
use crate::database::retrying;

/// One purchase.
#[derive(Debug, FromRow, Serialize, ToSchema)]
#[schema(as = AdminPurchase)]
pub(crate) struct Purchase {
    pub(crate) id: Uuid,
    /// `leads` (for credits) or `credits` (for money).
    pub(crate) kind: String,
    pub(crate) workspace_id: Uuid,
    /// The workspace's name.
    pub(crate) workspace: String,
    /// The email of the member who bought.
    pub(crate) buyer: String,
    /// Credits spent on leads, or bought.
    pub(crate) credits: i64,
    /// What credits cost, in the currency's smallest unit; null for leads.
    pub(crate) amount_cents: Option<i64>,
    pub(crate) currency: Option<String>,
    /// `completed` for leads; how far the payment is for credits.
    pub(crate) status: String,
    pub(crate) created_at: DateTime<Utc>,
    /// The leads; none for credits.
    #[schema(value_type = Vec<Sold>)]
    pub(crate) leads: Json<Vec<Sold>>,
}

/// One lead of a purchase.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Sold {
    pub(crate) lead_id: Uuid,
    pub(crate) title: String,
    pub(crate) price: i64,
}

/// Which purchases to list. Filters are combined; one that is not given does not filter.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PurchaseFilter {
    /// `leads` or `credits`.
    pub(crate) kind: Option<String>,
    /// Of this workspace.
    pub(crate) workspace_id: Option<Uuid>,
    /// With this lead.
    pub(crate) lead_id: Option<Uuid>,
    /// At this time or later.
    pub(crate) from: Option<DateTime<Utc>>,
    /// Before this time.
    pub(crate) to: Option<DateTime<Utc>>,
    /// Of so many credits or more.
    pub(crate) min_credits: Option<i64>,
    /// Of so many credits or fewer.
    pub(crate) max_credits: Option<i64>,
    /// In this state.
    pub(crate) status: Option<String>,
}

impl Office<'_> {
    /// Those that pass the filter, newest first, before the cursor.
    pub(crate) async fn purchases(
        &self,
        filter: &PurchaseFilter,
        limit: i32,
        (before, before_id): (Option<DateTime<Utc>>, Option<Uuid>),
    ) -> Result<Vec<Purchase>, sqlx::Error> {
        retrying(|| {
            sqlx::query_as("SELECT * FROM list_purchases($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
                .bind(self.caller)
                .bind(&filter.kind)
                .bind(filter.workspace_id)
                .bind(filter.lead_id)
                .bind(filter.from)
                .bind(filter.to)
                .bind(filter.min_credits)
                .bind(filter.max_credits)
                .bind(&filter.status)
                .bind(limit)
                .bind(before)
                .bind(before_id)
                .fetch_all(self.pool)
        })
        .await
    }
}
