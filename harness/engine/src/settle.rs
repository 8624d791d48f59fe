//! After healing: deliver what is outstanding, wait until nothing is, then read everything once more.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{TryStreamExt, stream};
use overdraft_model::{
    evidence::Settled,
    operation::{Operation, Outcome},
};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::{
    provision::{self, WorldError},
    stage::{Stage, StageError},
};

/// How often it is asked whether the target is quiet.
const TICK: Duration = Duration::from_millis(50);
/// Looks in a row that must find nothing: work can hide between two tables for a moment.
const QUIET_LOOKS: u32 = 3;
/// Final reads in flight at once.
const READERS: usize = 16;

/// Why settling could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The target file's query failed.
    #[error("target file, evidence.{0}: {1}")]
    Query(&'static str, #[source] sqlx::Error),
    /// The evidence session could not be opened.
    #[error(transparent)]
    Session(#[from] WorldError),
    /// The final reads failed.
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// The same through a session of its own, for a case that waits in the middle.
///
/// # Errors
/// As [`wait_until_quiet`], and if the database cannot be reached.
pub async fn until_quiet(stage: &Stage, limit: Duration) -> Result<Settled, SettleError> {
    let session = &stage.target.evidence.session;
    let mut session = provision::open_session(&stage.database_url, session, "evidence.session").await?;
    wait_until_quiet(stage, &mut session, limit).await
}

/// A session that asks, now and then, what the target has not done yet.
#[derive(Debug)]
pub struct Lookout(PgConnection);

impl Lookout {
    /// Opens it.
    ///
    /// # Errors
    /// Fails if the database cannot be reached.
    pub async fn open(stage: &Stage) -> Result<Self, SettleError> {
        let session = &stage.target.evidence.session;
        Ok(Self(provision::open_session(&stage.database_url, session, "evidence.session").await?))
    }

    /// How much is outstanding at the target; none if its file does not map how to ask.
    ///
    /// # Errors
    /// Fails if the target file's query fails.
    pub async fn outstanding(&mut self, stage: &Stage) -> Result<Option<u64>, SettleError> {
        let mut outstanding = BTreeMap::new();
        at_the_target(stage, &mut self.0, &mut outstanding).await?;
        Ok(stage.target.evidence.outstanding.is_some().then(|| outstanding.values().sum()))
    }
}

/// Waits until provider and target have nothing outstanding, or the limit passes.
///
/// # Errors
/// Fails if the target file's query fails.
pub async fn wait_until_quiet(
    stage: &Stage,
    session: &mut PgConnection,
    limit: Duration,
) -> Result<Settled, SettleError> {
    let began = Instant::now();
    let mut quiet_looks = 0;
    loop {
        stage.stripe.expedite(stage.provider_time());
        let outstanding = outstanding(stage, session).await?;
        quiet_looks = if outstanding.is_empty() { quiet_looks + 1 } else { 0 };
        let waited = began.elapsed();
        if quiet_looks >= QUIET_LOOKS || waited > limit {
            return Ok(Settled {
                quiescent: outstanding.is_empty(),
                waited_ms: ms(waited),
                limit_ms: ms(limit),
                outstanding,
            });
        }
        tokio::time::sleep(TICK).await;
    }
}

async fn outstanding(stage: &Stage, session: &mut PgConnection) -> Result<BTreeMap<String, u64>, SettleError> {
    let mut outstanding = BTreeMap::new();
    let deliveries = stage.stripe.outstanding() as u64;
    if deliveries > 0 && stage.target.webhook.is_some() {
        outstanding.insert("webhook deliveries not acknowledged".to_owned(), deliveries);
    }
    at_the_target(stage, session, &mut outstanding).await?;
    if stage.target.evidence.outstanding.is_none() {
        jobs_left(stage, session, &mut outstanding).await?;
    }
    Ok(outstanding)
}

async fn at_the_target(
    stage: &Stage,
    session: &mut PgConnection,
    outstanding: &mut BTreeMap<String, u64>,
) -> Result<(), SettleError> {
    if let Some(query) = &stage.target.evidence.outstanding {
        let failed = |error| SettleError::Query("outstanding", error);
        for row in sqlx::query(AssertSqlSafe(query.clone())).fetch_all(session).await.map_err(failed)? {
            let name: String = row.try_get("name").map_err(failed)?;
            let waiting: i64 = row.try_get("waiting").map_err(failed)?;
            if waiting > 0 {
                outstanding.insert(name, waiting.unsigned_abs());
            }
        }
    }
    Ok(())
}

/// Where the file does not map what is outstanding, but jobs: those that are neither dead nor among the dead letters.
async fn jobs_left(
    stage: &Stage,
    session: &mut PgConnection,
    outstanding: &mut BTreeMap<String, u64>,
) -> Result<(), SettleError> {
    let Some(jobs) = &stage.target.evidence.jobs else { return Ok(()) };
    let counted = count_left(jobs, stage.target.evidence.dead_letters.as_deref());
    let left: i64 = sqlx::query_scalar(AssertSqlSafe(counted))
        .fetch_one(session)
        .await
        .map_err(|problem| SettleError::Query("jobs", problem))?;
    if left > 0 {
        outstanding.insert("jobs".to_owned(), left.unsigned_abs());
    }
    Ok(())
}

fn count_left(jobs: &str, letters: Option<&str>) -> String {
    let inner = |query: &str| query.trim().trim_end_matches(';').to_owned();
    let mut counted = format!("SELECT count(*) FROM (\n{}\n) AS waits WHERE waits.state::text <> 'dead'", inner(jobs));
    if let Some(letters) = letters {
        let handed =
            format!("SELECT FROM (\n{}\n) AS letter WHERE letter.subject::text = waits.job::text", inner(letters));
        counted.push_str(&format!(" AND NOT EXISTS ({handed})"));
    }
    counted
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Reads every balance and every lead once, as recorded operations. A read whose answer is lost is asked
/// again a few times: it changes nothing, and without it the final state is not known.
///
/// # Errors
/// Fails if a read cannot be sent or recorded.
pub async fn final_reads(stage: &Arc<Stage>, client: &reqwest::Client) -> Result<(), StageError> {
    let maps = |name: &str| stage.target.operations.contains_key(name);
    let mut reads = Vec::new();
    if maps("read-balance") {
        let all = stage.world.workspaces.iter();
        reads.extend(all.map(|workspace| Operation::ReadBalance { workspace: workspace.name.clone() }));
    }
    if let (true, Some(reader)) = (maps("read-lead"), stage.world.workspaces.last()) {
        let all = stage.world.leads.iter();
        reads.extend(all.map(|lead| Operation::ReadLead { workspace: reader.name.clone(), lead: lead.name.clone() }));
    }
    stream::iter(reads.into_iter().map(Ok::<_, StageError>))
        .try_for_each_concurrent(READERS, |read| async move {
            let mut process = stage.process(client.clone());
            for _ in 0..3 {
                if process.call(read.clone()).await?.outcome != Outcome::Info {
                    break;
                }
            }
            Ok(())
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dead_or_handed_over_is_not_left() {
        let all = count_left(" SELECT * FROM j; ", None);
        assert_eq!(all, "SELECT count(*) FROM (\nSELECT * FROM j\n) AS waits WHERE waits.state::text <> 'dead'");
        let handed = "SELECT FROM (\nSELECT * FROM d\n) AS letter WHERE letter.subject::text = waits.job::text";
        assert_eq!(count_left("SELECT * FROM j", Some("SELECT * FROM d")), format!("{all} AND NOT EXISTS ({handed})"));
    }
}
