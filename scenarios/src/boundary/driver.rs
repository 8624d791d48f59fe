//! The order of passes: what the target does by itself, dry passes, then a pass per boundary and blow.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use overdraft_engine::{
    faults::tcp::TcpProxy,
    run::{DriveError, Driver},
    settle::Lookout,
    stage::{Stage, StageError},
};
use overdraft_model::{
    boundary::{Blow, Bounded, Counted, Kind, Persistence, Struck},
    history::Body,
    manifest::Planned,
    operation::Operation,
    scenario::Workload,
};

use super::{
    blows::Aim,
    pass::{Material, Pass, PassError, Performer},
    trace::{Background, DRY_PASSES, Place, Trace},
};
use crate::{script, steps::Step};

/// How long it is watched what the target does by itself, before and after its instances were killed.
const WATCHED: Duration = Duration::from_millis(3_000);
/// Passes until a boundary that a pass did not meet is given up on.
const TRIES: usize = 3;
/// Boundaries of one operation at most, those included that only blows bring forth.
const MOST_PLACES: usize = 60;

/// Drives the workload that strikes at every boundary.
#[derive(Debug, Clone, Copy)]
pub struct BoundaryDriver {
    /// The run's seed.
    pub seed: u64,
}

impl Driver for BoundaryDriver {
    fn drive<'a>(&'a self, stage: Arc<Stage>, planned: &'a Planned) -> BoxFuture<'a, Result<(), DriveError>> {
        async move {
            let Workload::EveryBoundary { paid_event, refund_event, operations, .. } = &planned.scenario.workload
            else {
                return Err(DriveError::Generator(format!("{} does not strike at boundaries", planned.scenario.id)));
            };
            let script = script::draw(&planned.scenario, self.seed).1;
            let mut lists = script.users.into_iter().map(|steps| steps.into_iter().filter_map(operation).collect());
            let material = Material {
                purchases: lists.next().unwrap_or_default(),
                orders: lists.next().unwrap_or_default(),
                paid_event: paid_event.clone(),
                refund_event: refund_event.clone(),
                used: 0,
            };
            let patience = planned.scenario.settle_within.duration();
            let performer = performer(&stage, material, self.seed, patience).await?;
            let mut striker = Striker { performer, dry: Vec::new() };
            let driven = striker.run(operations).await;
            stage.stripe.release_all(stage.provider_time());
            match driven {
                // What could not be done is missing in the history, and makes the run unknown.
                Err(PassError::Impossible(why)) => {
                    let what = format!("boundaries are left out: {why}");
                    stage.recorder.mark(Body::Act { what }).await.map_err(StageError::from)?;
                    stage.fleet.start_missing().await.map_err(|error| DriveError::Generator(error.to_string()))
                }
                driven => Ok(driven?),
            }
        }
        .boxed()
    }
}

fn operation(step: Step) -> Option<Operation> {
    match step {
        Step::Call(operation) => Some(operation),
        _ => None,
    }
}

async fn performer(
    stage: &Arc<Stage>,
    material: Material,
    seed: u64,
    patience: Duration,
) -> Result<Performer, DriveError> {
    let broken = |error: &dyn std::fmt::Display| DriveError::Generator(error.to_string());
    // A connection per request: one that is kept may have died with its instance, unnoticed.
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
    let client = client.build().map_err(|error| broken(&error))?;
    let mut doors = Vec::new();
    for url in &stage.base_urls {
        let address: SocketAddr = url.trim_start_matches("http://").parse().map_err(|error| broken(&error))?;
        doors.push(TcpProxy::start(address, seed).await.map_err(|error| broken(&error))?);
    }
    let lookout = Lookout::open(stage).await.map_err(|error| broken(&error))?;
    let (stage, background) = (Arc::clone(stage), Background::default());
    Ok(Performer { stage, client, doors, material, background, lookout, patience })
}

/// What was seen of an operation's boundaries.
struct Known {
    places: Vec<Place>,
    /// The number of the next that is counted.
    next: usize,
}

/// Counts and strikes.
struct Striker {
    performer: Performer,
    /// What the dry passes agreed on, by operation.
    dry: Vec<(Bounded, Trace)>,
}

impl Striker {
    async fn run(&mut self, operations: &[Bounded]) -> Result<(), PassError> {
        self.performer.stage.stripe.hold(self.performer.stage.provider_time());
        if let Some(why) = self.watch().await? {
            for operation in operations {
                self.skip(*operation, &why).await?;
            }
            return Ok(());
        }
        for operation in operations.iter().copied() {
            match self.why_not(operation) {
                Some(why) => self.skip(operation, &why).await?,
                None => self.every_boundary(operation).await?,
            }
        }
        Ok(())
    }

    /// Learns what the target does by itself, also when it starts; or why nothing can be struck.
    async fn watch(&mut self) -> Result<Option<String>, PassError> {
        let stage = Arc::clone(&self.performer.stage);
        let Some(proxy) = &stage.wires.statements else {
            return Ok(Some("nothing stands between the target and its database".into()));
        };
        self.performer.quiet().await?;
        proxy.mark();
        stage.stop.run_until_cancelled(tokio::time::sleep(WATCHED)).await;
        if stage.fleet.kill_all().await == 0 {
            return Ok(Some("the instances already ran, so they cannot be killed".into()));
        }
        stage.fleet.start_missing().await.map_err(|error| PassError::Impossible(error.to_string()))?;
        stage.stop.run_until_cancelled(tokio::time::sleep(WATCHED)).await;
        self.performer.background.learn(&proxy.take_boundaries());
        let what = format!("{} statements are what the target does by itself", self.performer.background.len());
        stage.recorder.mark(Body::Act { what }).await.map_err(StageError::from)?;
        Ok(None)
    }

    /// Why an operation is left out, if it is.
    fn why_not(&self, operation: Bounded) -> Option<String> {
        let target = &self.performer.stage.target;
        let needed = match operation {
            Bounded::Purchase | Bounded::Email => "purchase",
            Bounded::CreditPurchase | Bounded::Webhook | Bounded::Refund => "buy-credits",
        };
        let webhook = matches!(operation, Bounded::Webhook | Bounded::Refund);
        if !target.operations.contains_key(needed) {
            return Some(format!("the target file maps no operation {needed}"));
        }
        (webhook && target.webhook.is_none()).then(|| "the target file maps no webhook".to_owned())
    }

    async fn skip(&self, operation: Bounded, why: &str) -> Result<(), PassError> {
        self.mark(Body::Counted { operation, boundaries: vec![], skipped: Some(why.to_owned()) }).await
    }

    async fn mark(&self, body: Body) -> Result<(), PassError> {
        Ok(self.performer.stage.recorder.mark(body).await.map_err(StageError::from)?)
    }

    async fn every_boundary(&mut self, operation: Bounded) -> Result<(), PassError> {
        let agreed = self.dry(operation).await?;
        let places = match operation {
            Bounded::Purchase => agreed.side(true),
            Bounded::Email => agreed.side(false),
            _ => agreed.0.iter().map(|found| found.place.clone()).collect(),
        };
        let boundaries: Vec<Counted> = places.iter().map(|place| place.counted(None)).collect();
        self.mark(Body::Counted { operation, boundaries, skipped: None }).await?;
        let before = places.iter().filter(|place| place.key.kind != Kind::Answer);
        let before: Vec<&Place> = before.filter(|place| agreed.side(true).contains(place)).collect();
        let last_before_answer = before.last().copied().cloned();
        let mut known =
            Known { places: agreed.0.iter().map(|found| found.place.clone()).collect(), next: places.len() };
        for (index, place) in places.iter().enumerate() {
            for blow in place.blows() {
                let aim = Aim { place: place.clone(), blow, last_before_answer: last_before_answer.clone() };
                let trace = self.strike(operation, index, &aim).await?;
                self.what_it_brings(operation, (index, &aim), &trace, &mut known).await?;
            }
        }
        Ok(())
    }

    /// A blow may bring forth boundaries that no dry pass had: an undoing, a note of a failure. Those are struck too,
    /// after the same blow. One that does not come again was chance, and is told.
    async fn what_it_brings(
        &mut self,
        operation: Bounded,
        (index, first): (usize, &Aim),
        trace: &Trace,
        known: &mut Known,
    ) -> Result<(), PassError> {
        for place in trace.new_beside(&known.places) {
            if known.places.len() >= MOST_PLACES {
                return Err(PassError::Impossible(format!("{operation} has more than {MOST_PLACES} boundaries")));
            }
            known.places.push(place.clone());
            let (mut struck, mut blows) = (Vec::new(), Vec::new());
            for blow in place.blows() {
                let second = Aim { place: place.clone(), blow, last_before_answer: None };
                let mut tries = 0;
                while tries < TRIES && !blows.contains(&blow) {
                    tries += 1;
                    let pass = self.performer.pass(operation, &[first, &second], Persistence::Retries).await?;
                    if pass.struck {
                        blows.push(blow);
                        struck.push(told(operation, known.next, blow, &place, Persistence::Retries, &pass));
                    }
                }
                if tries == TRIES && !blows.contains(&blow) {
                    let what = format!("{} was seen once after {}, and not again", place.what(), first.blow);
                    self.mark(Body::Act { what }).await?;
                    break;
                }
            }
            if !blows.is_empty() {
                let boundaries = vec![Counted { blows, ..place.counted(Some((index, first.blow))) }];
                self.mark(Body::Counted { operation, boundaries, skipped: None }).await?;
                for struck in struck {
                    self.mark(Body::Struck(struck)).await?;
                }
                known.next += 1;
            }
        }
        Ok(())
    }

    /// Dry passes: nothing is struck, and what most of them saw is counted.
    async fn dry(&mut self, operation: Bounded) -> Result<Trace, PassError> {
        // A purchase and its confirmation are one pass.
        let scene = if operation == Bounded::Email { Bounded::Purchase } else { operation };
        if let Some((_, known)) = self.dry.iter().find(|(known, _)| *known == scene) {
            return Ok(known.clone());
        }
        let mut passes = Vec::new();
        for _ in 0..DRY_PASSES {
            passes.push(self.performer.pass(scene, &[], Persistence::Retries).await?.trace);
        }
        let agreed = Trace::agreed(&passes);
        self.dry.push((scene, agreed.clone()));
        Ok(agreed)
    }

    /// Strikes, with a client that asks again; then, if the client had a reason to, with one that goes away. What the
    /// first of them went by.
    async fn strike(&mut self, operation: Bounded, index: usize, aim: &Aim) -> Result<Trace, PassError> {
        let pass = self.until_struck(operation, index, aim, Persistence::Retries).await?;
        let asked = matches!(operation, Bounded::Purchase | Bounded::CreditPurchase);
        if asked && pass.as_ref().is_some_and(|pass| pass.unclear) {
            self.until_struck(operation, index, aim, Persistence::GivesUp).await?;
        }
        Ok(pass.map(|pass| pass.trace).unwrap_or_default())
    }

    async fn until_struck(
        &mut self,
        operation: Bounded,
        index: usize,
        aim: &Aim,
        client: Persistence,
    ) -> Result<Option<Pass>, PassError> {
        for _ in 0..TRIES {
            if self.performer.stage.stop.is_cancelled() {
                return Err(PassError::Impossible("driving had to end".into()));
            }
            let pass = self.performer.pass(operation, &[aim], client).await?;
            self.mark(Body::Struck(told(operation, index, aim.blow, &aim.place, client, &pass))).await?;
            if pass.struck {
                return Ok(Some(pass));
            }
        }
        Ok(None)
    }
}

fn told(operation: Bounded, index: usize, blow: Blow, place: &Place, client: Persistence, pass: &Pass) -> Struck {
    Struck {
        operation,
        boundary: index,
        kind: place.key.kind,
        what: place.what(),
        blow,
        client,
        struck: pass.struck,
        told: pass.told.filter(|_| operation != Bounded::Email),
        quiet: pass.quiet,
        operations: pass.operations.clone(),
        workspace: pass.workspace.clone(),
        took_ms: u64::try_from(pass.took.as_millis()).unwrap_or(u64::MAX),
    }
}
