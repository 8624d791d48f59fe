//! The job that tells one alert: to the Slack-compatible hook, and by email.
//!
//! An alert has no dead letter, it is the alarm about one: the two ways are tried as often as it takes, each
//! until it was gone once, unless the other end refuses for good. Its email is not in the outbox, where the
//! failure to send it would raise another alert.

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::{JobError, Work};
use crate::database::retrying;
use crate::email::{Email, SendError};

/// Tells the alert, unless it was told.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct PostAlert {
    alert_id: Uuid,
}

impl TaskHandler for PostAlert {
    const IDENTIFIER: &'static str = "post_alert";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        tell(&Work::of(&context)?, self.alert_id).await
    }
}

#[derive(FromRow)]
struct Alert {
    kind: String,
    subject: String,
    reason: String,
    hooked: bool,
    emailed: bool,
}

/// How it went on one of the ways.
enum Way {
    /// It was told, or there is nobody to tell this way.
    Gone,
    /// The other end will never take it.
    Refused(String),
    /// Later.
    Away(String),
}

async fn tell(work: &Work, id: Uuid) -> Result<(), JobError> {
    let pool = &work.0.pool;
    let alert: Option<Alert> =
        retrying(|| sqlx::query_as("SELECT * FROM alert_to_post($1)").bind(id).fetch_optional(pool)).await?;
    let Some(alert) = alert else {
        return Ok(());
    };
    tracing::error!(kind = alert.kind, subject = alert.subject, reason = alert.reason, "alert");
    let hook = if alert.hooked { Way::Gone } else { post(work, &alert).await };
    let email = if alert.emailed { Way::Gone } else { send(work, id, &alert).await };
    let (hooked, emailed) = (matches!(hook, Way::Gone), matches!(email, Way::Gone));
    retrying(|| sqlx::query("SELECT alert_went($1, $2, $3)").bind(id).bind(hooked).bind(emailed).execute(pool)).await?;
    let mut refusals = Vec::new();
    for way in [hook, email] {
        match way {
            Way::Gone => {}
            Way::Refused(reason) => refusals.push(reason),
            Way::Away(reason) => return Err(JobError::Alert(reason)),
        }
    }
    let refused = (!refusals.is_empty()).then(|| refusals.join("; "));
    retrying(|| sqlx::query("SELECT alert_done($1, $2)").bind(id).bind(&refused).execute(pool)).await?;
    Ok(())
}

fn line(Alert { kind, subject, reason, .. }: &Alert) -> String {
    format!("Dead letter: {kind} {subject}: {reason}")
}

async fn post(work: &Work, alert: &Alert) -> Way {
    let Some(hook) = &work.0.settings.alert_hook_url else {
        return Way::Gone;
    };
    match work.0.client.post(hook.expose()).json(&json!({ "text": line(alert) })).send().await {
        // The hook's address is a secret, so the error is told without it.
        Err(error) => Way::Away(format!("the hook gave no answer: {}", error.without_url())),
        Ok(response) => verdict(response.status()),
    }
}

async fn send(work: &Work, id: Uuid, alert: &Alert) -> Way {
    let Some(recipient) = &work.0.settings.alert_email else {
        return Way::Gone;
    };
    let email = Email {
        id,
        event: format!("alert_{id}"),
        recipient: recipient.clone(),
        subject: format!("Alert: {} {}", alert.kind, alert.subject),
        body: line(alert),
        unsubscribe: None,
    };
    match work.0.mailer.send(&email).await {
        Ok(_) => Way::Gone,
        Err(SendError::Permanent(reason)) => Way::Refused(format!("email: {reason}")),
        Err(SendError::Transient { reason, .. }) => Way::Away(format!("email: {reason}")),
    }
}

/// What the hook's answer means.
fn verdict(status: StatusCode) -> Way {
    let answer = format!("the hook answered {status}");
    match status.as_u16() {
        _ if status.is_success() => Way::Gone,
        408 | 429 | 500.. => Way::Away(answer),
        _ => Way::Refused(answer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_hook_is_asked_again_and_a_wrong_one_is_not() {
        assert!(matches!(verdict(StatusCode::OK), Way::Gone));
        assert!(matches!(verdict(StatusCode::NOT_FOUND), Way::Refused(_)));
        assert!(matches!(verdict(StatusCode::TOO_MANY_REQUESTS), Way::Away(_)));
        assert!(matches!(verdict(StatusCode::BAD_GATEWAY), Way::Away(_)));
    }
}
