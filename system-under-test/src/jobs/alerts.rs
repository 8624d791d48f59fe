//! The job that posts one alert to the Slack-compatible hook.

use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::FromRow;
use uuid::Uuid;

use super::{JobError, Work};
use crate::database::retrying;

/// Posts the alert, unless it was posted.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct PostAlert {
    alert_id: Uuid,
}

impl TaskHandler for PostAlert {
    const IDENTIFIER: &'static str = "post_alert";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        post(&Work::of(&context)?, self.alert_id).await
    }
}

#[derive(FromRow)]
struct Alert {
    kind: String,
    subject: String,
    reason: String,
}

async fn post(work: &Work, id: Uuid) -> Result<(), JobError> {
    let pool = &work.0.pool;
    let alert: Option<Alert> =
        retrying(|| sqlx::query_as("SELECT * FROM alert_to_post($1)").bind(id).fetch_optional(pool)).await?;
    let Some(Alert { kind, subject, reason }) = alert else {
        return Ok(());
    };
    tracing::error!(kind, subject, reason, "dead letter");
    let refused = match &work.0.settings.alert_hook_url {
        None => None,
        Some(hook) => {
            let text = format!("Dead letter: {kind} {subject}: {reason}");
            let sent = work.0.client.post(hook.expose()).json(&json!({ "text": text })).send().await;
            // The hook's address is a secret, so the error is told without it.
            let status = sent.map_err(|e| JobError::AlertHook(e.without_url().to_string()))?.status();
            verdict(status)?
        }
    };
    retrying(|| sqlx::query("SELECT alert_done($1, $2)").bind(id).bind(&refused).execute(pool)).await?;
    Ok(())
}

/// What the hook's answer means: accepted, refused for good (with the reason), or come back.
fn verdict(status: StatusCode) -> Result<Option<String>, JobError> {
    if status.is_success() {
        return Ok(None);
    }
    let answer = format!("the hook answered {status}");
    if status.is_server_error() || matches!(status.as_u16(), 408 | 429) {
        return Err(JobError::AlertHook(answer));
    }
    Ok(Some(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_hook_is_asked_again_and_a_wrong_one_is_not() {
        assert!(matches!(verdict(StatusCode::OK), Ok(None)));
        assert!(matches!(verdict(StatusCode::NOT_FOUND), Ok(Some(_))));
        assert!(verdict(StatusCode::TOO_MANY_REQUESTS).is_err());
        assert!(verdict(StatusCode::BAD_GATEWAY).is_err());
    }
}
