//! Faults of the database server and inside the database.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use overdraft_faults::{
    database::{self, Terminator},
    guard::Effects,
};
use overdraft_model::fault::outage::Ending;
use tokio_util::sync::CancellationToken;

use super::held::Held;
use crate::{
    provision::postgres::{PostgresError, Server, SharedServer},
    stage::Stage,
};

/// More connections than any server of ours allows.
const CONNECTIONS: usize = 500;
/// How long the server may take to close what was held.
const FREE_WITHIN: Duration = Duration::from_secs(10);

/// Ends the database server, or lets it stand still, until it is healed.
pub(super) async fn end(stage: &Arc<Stage>, how: Ending) -> Result<Held, String> {
    let server = ours(stage)?;
    {
        let mut server = server.lock().await;
        match how {
            Ending::Killed => server.kill(),
            Ending::Stopped => server.stop(),
            Ending::Frozen => server.pause(),
        }
    }
    let effects = Effects::new();
    effects.add(1);
    Ok(Held::new(effects, async move { revive(&mut *server.lock().await, how).await.map_err(|e| e.to_string()) }))
}

async fn revive(server: &mut Server, how: Ending) -> Result<(), PostgresError> {
    match how {
        Ending::Killed | Ending::Stopped => server.restart().await,
        Ending::Frozen => {
            server.resume();
            Ok(())
        }
    }
}

/// Has the connections to the target's database ended again and again. Its effects are the connections ended.
pub(super) async fn terminate(stage: &Arc<Stage>, every: Duration) -> Result<Held, String> {
    // One session for all times: where no connection is left, another could not be had.
    let mut terminator = Terminator::connect(&stage.database_url).await.map_err(|error| error.to_string())?;
    let effects = Effects::new();
    effects.add(terminator.strike(None).await.map_err(|error| error.to_string())?);
    let (counter, healed) = (effects.clone(), CancellationToken::new());
    let until = healed.clone();
    let again = tokio::spawn(async move {
        while until.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
            counter.add(terminator.strike(None).await.map_err(|error| error.to_string())?);
        }
        Ok(())
    });
    let healed = healed.drop_guard();
    Ok(Held::new(effects, async move {
        drop(healed);
        again.await.map_err(|error| error.to_string())?
    }))
}

/// Takes every connection that the server has left. Healing waits until there is one again: what was held is closed
/// by the server, one after another.
pub(super) async fn exhaust(stage: &Arc<Stage>) -> Result<Held, String> {
    let url = stage.database_url.clone();
    let guard = database::exhaust(&url, CONNECTIONS).await.map_err(|error| error.to_string())?;
    Ok(Held::new(guard.counter(), async move {
        guard.heal();
        let deadline = Instant::now() + FREE_WITHIN;
        loop {
            match Terminator::connect(&url).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error.to_string()),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }))
}

/// Holds a lock of the target file.
pub(super) async fn hold(stage: &Arc<Stage>, lock: &str) -> Result<Held, String> {
    let statement = stage.target.locks.get(lock);
    let statement = statement.ok_or_else(|| format!("the target file has no `{lock}` under `locks`"))?;
    database::hold(&stage.database_url, statement).await.map(Held::from).map_err(|error| error.to_string())
}

/// Changes settings of the server. Its effects are the settings that a new session then saw.
pub(super) async fn set(stage: &Arc<Stage>, settings: &BTreeMap<String, String>) -> Result<Held, String> {
    ours(stage)?;
    let url = stage.database_url.clone();
    let effects = Effects::new();
    effects.add(database::set(&url, settings).await.map_err(|error| error.to_string())?);
    let names: Vec<String> = settings.keys().cloned().collect();
    Ok(Held::new(effects, async move { database::unset(&url, &names).await.map_err(|error| error.to_string()) }))
}

fn ours(stage: &Stage) -> Result<SharedServer, String> {
    stage
        .server
        .clone()
        .ok_or_else(|| "the database server was not started for this run, so it is left alone".to_owned())
}
