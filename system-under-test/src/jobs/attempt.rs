//! One attempt at one piece of work: how its end is recorded, whatever its end is.
//!
//! The database has counted the attempt before it begins (`begin_attempt`). It ends in one of four ways: it
//! succeeds; its business fails, and `attempt_failed` decides between another attempt and a dead letter; the
//! machinery fails (the database was away), and the attempt does not count; or the worker dies, and the next
//! attempt finds that out.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;

use super::{JobError, Work};
use crate::database::retrying;

/// Why the business of an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For the history.
    pub(crate) reason: String,
    /// No other attempt would help.
    pub(crate) permanent: bool,
    /// How long the provider asked us to wait.
    pub(crate) retry_after: Option<Duration>,
}

/// Why an attempt ended without success.
#[derive(Debug)]
pub(crate) enum Ended {
    /// What it is about went wrong. Counted.
    Business(Failure),
    /// The machinery went wrong: not counted, and the job comes back as often as it takes.
    Machinery(JobError),
}

impl From<sqlx::Error> for Ended {
    fn from(error: sqlx::Error) -> Self {
        Self::Machinery(error.into())
    }
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Business(failure)
    }
}

/// Which piece of work, and how often it was tried, this attempt included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    /// `email`, `webhook` or `job`: which table carries it.
    pub(crate) carrier: &'a str,
    /// The row's id.
    pub(crate) id: &'a str,
    /// 1 for the first.
    pub(crate) number: i32,
}

/// Records how an attempt ended.
pub(crate) async fn settle(work: &Work, attempt: Attempt<'_>, ended: Result<(), Ended>) -> Result<(), JobError> {
    match ended {
        Ok(()) => Ok(()),
        Err(Ended::Machinery(error)) => Err(error),
        Err(Ended::Business(failure)) => failed(work, attempt, failure).await,
    }
}

async fn failed(work: &Work, attempt: Attempt<'_>, failure: Failure) -> Result<(), JobError> {
    let Attempt { carrier, id, number } = attempt;
    let Failure { reason, permanent, retry_after } = failure;
    let retry: bool = sqlx::query_scalar("SELECT attempt_failed($1, $2, $3, $4, $5, $6)")
        .bind(carrier)
        .bind(id)
        .bind(&reason)
        .bind(permanent)
        .bind(work.0.settings.job_max_attempts)
        .bind(work.retry_at(number, retry_after))
        .fetch_one(&work.0.pool)
        .await?;
    tracing::warn!(carrier, id, attempt = number, reason, retry, "attempt failed");
    Ok(())
}

/// Runs a handler to its end, and takes care of two ends that it cannot take care of itself: a panic counts as
/// a failure, and an error of the machinery as nothing.
pub(crate) async fn guarded(
    work: &Work,
    carrier: &str,
    id: &str,
    handler: impl Future<Output = Result<(), JobError>>,
) -> Result<(), JobError> {
    match AssertUnwindSafe(handler).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let voided =
                retrying(|| sqlx::query("SELECT void_attempt($1, $2)").bind(carrier).bind(id).execute(&work.0.pool));
            // Where this fails too, the attempt counts as one whose worker died.
            if let Err(error) = voided.await {
                tracing::warn!(%error, carrier, id, "attempt stays counted");
            }
            Err(error)
        }
        Err(panic) => {
            let reason = format!("the handler panicked: {}", told(panic.as_ref()));
            let failure = Failure { reason, permanent: false, retry_after: None };
            failed(work, Attempt { carrier, id, number: 1 }, failure).await
        }
    }
}

fn told(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

/// What an answer of a provider means: fine, a failure to repeat, or one that stays.
pub(crate) fn judge(who: &str, status: reqwest::StatusCode, retry_after: Option<Duration>) -> Result<(), Failure> {
    if status.is_success() {
        return Ok(());
    }
    let transient = status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 425 | 429);
    Err(Failure { reason: format!("{who} answered {}", status.as_u16()), permanent: !transient, retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_in_trouble_is_asked_again_and_one_that_refuses_is_not() {
        let judged = |code| judge("it", reqwest::StatusCode::from_u16(code).unwrap(), None);
        assert_eq!(judged(204), Ok(()));
        for code in [408, 409, 425, 429, 500, 503] {
            assert!(!judged(code).unwrap_err().permanent, "{code}");
        }
        for code in [301, 400, 401, 404, 410, 422] {
            assert!(judged(code).unwrap_err().permanent, "{code}");
        }
    }

    #[test]
    fn a_panic_is_told_in_its_own_words() {
        assert_eq!(told(&"static"), "static");
        assert_eq!(told(&"owned".to_owned()), "owned");
        assert_eq!(told(&7_u8), "without a word");
    }
}
