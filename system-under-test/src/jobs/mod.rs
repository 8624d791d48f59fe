//! The worker: durable jobs on PostgreSQL.
//!
//! Two kinds of failure are kept apart. When the business of a job fails (the provider refuses, the
//! payment is unknown) the handler counts the attempt on the business row and decides, in that same
//! db_tx, between another job later and a dead letter; the job itself then counts as done. When the
//! handler cannot even do that (the database is away), the job fails, stays in the queue, and comes
//! back with the same backoff, as often as it takes: nothing is given up because of an outage.

mod alerts;
mod attempt;
mod budgets;
mod campaigns;
mod consistency;
pub(crate) mod due;
mod emails;
mod enrichment;
pub(crate) mod expiry;
mod general;
mod queue;
mod sync;
mod ticker;
mod webhooks;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use graphile_worker::local_queue::LocalQueueConfig;
use graphile_worker::{Database, JobFail, JobFailContext, WorkerContext, WorkerOptions, WorkerRecoveryConfig};
use reqwest::Client;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::clock::Clock;
use crate::keys::Keys;
use crate::seams::Mailer;
use crate::settings::Settings;

/// Jobs one fetch may claim. A backlog drains in few queries; a crash strands at most so many until
/// the sweep.
const CLAIM: usize = 50;
/// How often a worker says that it lives, and looks for others that do not, within the silence after which its jobs
/// are given to others. A job that runs twice because its worker was merely slow does no harm: every effect has its
/// unique row or key.
const HEARTBEATS: u32 = 4;
/// Pause before a worker that failed (the database was away) is started again.
const RESTART: Duration = Duration::from_millis(250);

/// What the handlers share; the queue hands it to them as an extension.
#[derive(Clone)]
pub(crate) struct Work(Arc<Shared>);

struct Shared {
    /// Connections that act as `marketplace_worker`.
    pool: PgPool,
    settings: Settings,
    client: Client,
    mailer: Box<dyn Mailer>,
    keys: Keys,
    clock: Clock,
}

impl Work {
    /// Everything the handlers need.
    pub(crate) fn new(pool: PgPool, settings: Settings, client: Client, mailer: Box<dyn Mailer>, clock: Clock) -> Self {
        let keys = Keys::new(settings.key_secret.clone());
        Self(Arc::new(Shared { pool, settings, client, mailer, keys, clock }))
    }

    fn of(context: &WorkerContext) -> Result<Self, JobError> {
        context.get_ext::<Self>().cloned().ok_or(JobError::NotConfigured)
    }

    fn backoff(&self) -> Backoff {
        let settings = &self.0.settings;
        Backoff { base: settings.job_backoff_base, cap: settings.job_backoff_cap }
    }

    /// When to try again after so many failures: by the computer's clock, as the queue's own times are.
    fn retry_at(&self, failures: i32, asked: Option<Duration>) -> DateTime<Utc> {
        let failures = u32::try_from(failures).unwrap_or(1);
        Utc::now() + self.backoff().after_or(failures, asked)
    }
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Work")
    }
}

/// Why a handler could not even record what happened. The job comes back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// The database is away.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// Nobody takes the alert. (An alert has no dead letter: it is the alarm about one.)
    #[error("alert: {0}")]
    Alert(String),
    /// The worker was started without its extension.
    #[error("the worker was started without what its handlers need")]
    NotConfigured,
}

/// Runs the worker until `stop`, then lets jobs in flight finish. Starts it again when it fails.
pub(crate) async fn run(queue: PgPool, work: Work, stop: CancellationToken) {
    while !stop.is_cancelled() {
        match run_once(&queue, &work, &stop).await {
            Ok(()) => {}
            Err(error) => tracing::error!(error, "worker stopped, starting it again"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(RESTART) => {}
        }
    }
}

async fn run_once(queue: &PgPool, work: &Work, stop: &CancellationToken) -> Result<(), String> {
    let settings = &work.0.settings;
    let recovery = WorkerRecoveryConfig::default()
        .heartbeat_interval(settings.job_dead_after / HEARTBEATS)
        .sweep_interval(settings.job_dead_after / HEARTBEATS)
        .sweep_threshold(settings.job_dead_after)
        .recovery_delay(Duration::ZERO);
    let lost = CancellationToken::new();
    let (stopped, blind) = (stop.clone(), lost.clone());
    let ending = async move {
        tokio::select! {
            () = stopped.cancelled() => {}
            () = blind.cancelled() => tracing::error!("an answer of the job queue was lost, starting another worker"),
        }
    };
    let (backoff, pool) = (work.backoff(), queue.clone());
    let worker = WorkerOptions::default()
        .database(Database::new(queue::Watched::new(queue.clone(), lost.clone())))
        .concurrency(settings.job_concurrency)
        .poll_interval(settings.job_poll)
        // `enqueue()` sends no NOTIFY; its comment says why.
        .use_notification_delivery(false)
        .local_queue(LocalQueueConfig::default().with_size(CLAIM))
        .worker_recovery(recovery)
        .listen_os_shutdown_signals(false)
        .shutdown_signal(ending)
        .shutdown_grace_period(settings.shutdown_grace)
        .shutdown_interrupted_job_retry_delay(Duration::ZERO)
        .add_extension(work.clone())
        .on(JobFail, move |failed| postpone(pool.clone(), backoff, failed))
        .define_job::<emails::SendEmail>()
        .define_job::<webhooks::ProcessWebhook>()
        .define_job::<alerts::PostAlert>()
        .define_job::<general::RunJob>()
        .init()
        .await
        .map_err(|error| error.to_string())?;
    worker.run().await.map_err(|error| error.to_string())
}

/// Gives a failed job our backoff instead of the queue's, and its attempts back. If this statement
/// fails too, the queue's own schedule stands.
async fn postpone(pool: PgPool, backoff: Backoff, failed: JobFailContext) {
    let attempts = u32::try_from(*failed.job.attempts()).unwrap_or(1);
    let run_at = Utc::now() + backoff.after(attempts);
    // Never the last attempt: a job leaves the queue by being done.
    let attempts = (*failed.job.attempts()).min(failed.job.max_attempts() - 2);
    let rescheduled = sqlx::query("SELECT graphile_worker.reschedule_jobs(ARRAY[$1], run_at => $2, attempts => $3)")
        .bind(*failed.job.id())
        .bind(run_at)
        .bind(i32::from(attempts))
        .execute(&pool)
        .await;
    if let Err(error) = rescheduled {
        tracing::warn!(%error, job = failed.job.id(), "job keeps the queue's own schedule");
    }
}
