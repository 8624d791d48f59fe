//! The job that sends one email of the outbox.

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::{JobError, Work};
use crate::database::retrying;
use crate::email::{Email, SendError};

/// Sends the email, unless it was sent.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct SendEmail {
    email_id: Uuid,
}

impl TaskHandler for SendEmail {
    const IDENTIFIER: &'static str = "send_email";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        send(&Work::of(&context)?, self.email_id).await
    }
}

#[derive(FromRow)]
struct Pending {
    event: String,
    recipient: String,
    subject: String,
    body: String,
    attempts: i32,
}

async fn send(work: &Work, id: Uuid) -> Result<(), JobError> {
    let pool = &work.0.pool;
    let pending: Option<Pending> =
        retrying(|| sqlx::query_as("SELECT * FROM email_to_send($1)").bind(id).fetch_optional(pool)).await?;
    let Some(Pending { event, recipient, subject, body, attempts }) = pending else {
        return Ok(());
    };
    let email = Email { id, event, recipient, subject, body };
    let (reason, permanent, asked) = match work.0.mailer.send(&email).await {
        Ok(provider_id) => {
            retrying(|| sqlx::query("SELECT email_sent($1, $2)").bind(id).bind(&provider_id).execute(pool)).await?;
            return Ok(());
        }
        Err(SendError::Transient { reason, retry_after }) => (reason, false, retry_after),
        Err(SendError::Permanent(reason)) => (reason, true, None),
    };
    let retry: bool = sqlx::query_scalar("SELECT email_failed($1, $2, $3, $4, $5)")
        .bind(id)
        .bind(&reason)
        .bind(permanent)
        .bind(work.0.settings.job_max_attempts)
        .bind(work.retry_at(attempts + 1, asked))
        .fetch_one(pool)
        .await?;
    tracing::warn!(event = email.event, attempt = attempts + 1, reason, retry, "email not sent");
    Ok(())
}
