//! Faults of the target's own processes and of their clocks.

use std::sync::Arc;

use overdraft_faults::guard::Effects;
use overdraft_model::fault::outage::Which;

use super::held::Held;
use crate::stage::Stage;

/// Kills instances; they are started again when it is healed. Its effects are those that were running.
pub(super) async fn kill(stage: &Arc<Stage>, which: Which, turn: usize) -> Result<Held, String> {
    let fleet = stage.fleet.clone();
    let effects = counted(fleet.kill(&fleet.chosen(which, turn).await).await)?;
    Ok(Held::new(effects, async move { fleet.start_missing().await.map_err(|error| error.to_string()) }))
}

/// Lets instances stand still until it is healed. Its effects are those that were running.
pub(super) async fn freeze(stage: &Arc<Stage>, which: Which, turn: usize) -> Result<Held, String> {
    let fleet = stage.fleet.clone();
    let these = fleet.chosen(which, turn).await;
    let effects = counted(fleet.freeze(&these).await)?;
    Ok(Held::new(effects, async move {
        fleet.thaw(&these).await;
        Ok(())
    }))
}

/// Restarts every instance in order, beginning now. Its effects are those that ended by themselves when asked to
/// and became ready again; healing waits for the last one.
pub(super) async fn restart(stage: &Arc<Stage>, rolling: bool) -> Result<Held, String> {
    let fleet = stage.fleet.clone();
    let all = fleet.chosen(Which::All, 0).await;
    if fleet.pids().await.is_empty() {
        return Err(NOT_OURS.to_owned());
    }
    let effects = Effects::new();
    let counter = effects.clone();
    let restarting = tokio::spawn(async move {
        if !rolling {
            fleet.end(&all).await;
            counter.add(all.len() as u64);
            return fleet.start_missing().await.map_err(|error| error.to_string());
        }
        for number in all {
            match fleet.restart(number).await.map_err(|error| error.to_string())? {
                Some(true) => counter.add(1),
                Some(false) => return Err(format!("instance {number} did not end when asked to, and was killed")),
                None => {}
            }
        }
        Ok(())
    });
    Ok(Held::new(effects, async move { restarting.await.map_err(|error| error.to_string())? }))
}

/// One more instance, until it is healed.
pub(super) async fn add(stage: &Arc<Stage>) -> Result<Held, String> {
    let added = stage.fleet.add().await.map_err(|error| error.to_string())?;
    let base_url = added.ok_or_else(|| NOT_OURS.to_owned())?;
    stage.also_ask(base_url.clone());
    let effects = counted(1)?;
    let stage = Arc::clone(stage);
    Ok(Held::new(effects, async move {
        stage.ask_no_more(&base_url);
        stage.fleet.take_away(&base_url).await;
        Ok(())
    }))
}

/// Puts instances' clocks ahead, until it is healed.
pub(super) async fn skew(stage: &Arc<Stage>, which: Which, turn: usize, ahead_ms: u64) -> Result<Held, String> {
    let these = stage.fleet.chosen(which, turn).await;
    let client = reqwest::Client::new();
    stage.move_clocks_of(&client, &these, ahead_ms).await?;
    let effects = counted(these.len())?;
    let stage = Arc::clone(stage);
    Ok(Held::new(effects, async move { stage.move_clocks_of(&client, &these, 0).await }))
}

const NOT_OURS: &str = "no instance of ours is running";

fn counted(effects: usize) -> Result<Effects, String> {
    if effects == 0 {
        return Err(NOT_OURS.to_owned());
    }
    let counter = Effects::new();
    counter.add(effects as u64);
    Ok(counter)
}
