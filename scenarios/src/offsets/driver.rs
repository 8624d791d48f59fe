//! Performs pair after pair: both requests held by the server but for their last byte, released a chosen time
//! apart. How a pair ended decides the distance of the next, so nothing but the distances depends on the target.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use overdraft_engine::{
    race::Rendezvous,
    run::{DriveError, Driver},
    stage::Stage,
};
use overdraft_model::{manifest::Planned, operation::Outcome, release::as_far_apart, scenario::Workload};

use super::search::Search;
use crate::{script, steps::Step};

/// Drives searches for the distance at which two requests both win.
#[derive(Debug, Clone, Copy)]
pub struct OffsetDriver {
    /// The run's seed.
    pub seed: u64,
}

impl Driver for OffsetDriver {
    fn drive<'a>(&'a self, stage: Arc<Stage>, planned: &'a Planned) -> BoxFuture<'a, Result<(), DriveError>> {
        async move {
            let broken = |problem: String| DriveError::Generator(problem);
            let Workload::PairOffsets { up_to, .. } = &planned.scenario.workload else {
                return Err(broken(format!("{} knows no pairs", planned.scenario.id)));
            };
            let users = script::draw(&planned.scenario, self.seed).1.users;
            let [one, other] = &users[..] else { return Err(broken("a pair is two requests".into())) };
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
            let client = client.map_err(|error| broken(error.to_string()))?;
            let (mut first, mut second) = (stage.process(client.clone()), stage.process(client));
            let up_to = u64::try_from(up_to.duration().as_nanos()).unwrap_or(u64::MAX);
            let mut search = Search::new(up_to, one.len());
            for pair in one.iter().zip(other) {
                let (Step::Race { name, operation: one }, Step::Race { operation: other, .. }) = pair else { continue };
                let apart = search.next();
                let rendezvous =
                    Rendezvous::new(name, 2, stage.target.service.races).apart(Duration::from_nanos(apart));
                let (one, other) =
                    tokio::try_join!(first.race(&rendezvous, one.clone()), second.race(&rendezvous, other.clone()))?;
                let (Some((_, one)), Some((_, other))) = (one, other) else { break };
                let ended = [one.outcome, other.outcome];
                let left_as_asked = rendezvous.spread().is_some_and(|spread| as_far_apart(apart, spread));
                // Who was not answered may have won: such a pair tells nothing.
                let tells = left_as_asked && !ended.contains(&Outcome::Info);
                search.saw(apart, tells.then_some(ended == [Outcome::Ok; 2]));
            }
            Ok(())
        }
        .boxed()
    }
}
