//! The job that sends one email of the outbox.

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;
use uuid::Uuid;

use super::attempt::{Attempt, Ended, Failure, guarded, settle};
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
        let (work, id) = (Work::of(&context)?, self.email_id);
        guarded(&work, "email", &id.to_string(), send(&work, id)).await
    }
}

#[derive(FromRow)]
struct Pending {
    event: String,
    recipient: String,
    subject: String,
    body: String,
    attempt: i32,
    campaign_recipient: Option<Uuid>,
    link_base: Option<String>,
}

async fn send(work: &Work, id: Uuid) -> Result<(), JobError> {
    let pending: Option<Pending> = retrying(|| {
        sqlx::query_as("SELECT * FROM email_to_send($1, $2)")
            .bind(id)
            .bind(work.0.settings.job_max_attempts)
            .fetch_optional(&work.0.pool)
    })
    .await?;
    let Some(Pending { event, recipient, subject, body, attempt, campaign_recipient, link_base }) = pending else {
        return Ok(());
    };
    let unsubscribe = campaign_recipient
        .zip(link_base)
        .map(|(recipient, base)| format!("{base}/unsubscribe/{}", work.0.keys.unsubscribe_token(recipient)));
    let email = Email { id, event, recipient, subject, body, unsubscribe };
    let attempt = Attempt { carrier: "email", id: &id.to_string(), number: attempt };
    settle(work, attempt, hand_over(work, &email).await).await
}

async fn hand_over(work: &Work, email: &Email) -> Result<(), Ended> {
    let provider_id = work.0.mailer.send(email).await.map_err(Failure::from)?;
    retrying(|| {
        sqlx::query("SELECT email_sent($1, $2, $3)")
            .bind(email.id)
            .bind(&provider_id)
            .bind(work.0.clock.now())
            .execute(&work.0.pool)
    })
    .await?;
    Ok(())
}

impl From<SendError> for Failure {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Transient { reason, retry_after } => Self { reason, permanent: false, retry_after },
            SendError::Permanent(reason) => Self { reason, permanent: true, retry_after: None },
        }
    }
}
