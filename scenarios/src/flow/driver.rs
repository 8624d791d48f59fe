//! Performs a case step by step: one conductor, who asks alone or has many ask at once.
//!
//! A step that cannot be performed (an answer that a later step needs never came) ends the case there: the
//! steps that are missing in the history make it unknown, never green. Whether an answer was right is judged
//! later, so the conductor goes on whatever the target says.

use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use overdraft_engine::{
    run::{DriveError, Driver},
    stage::Stage,
};
use overdraft_model::{history::Body, manifest::Planned, scenario::Workload};

use super::steps::{Conductor, StepError};

/// Drives cases.
#[derive(Debug, Clone, Copy)]
pub struct FlowDriver {
    /// The run's seed.
    pub seed: u64,
}

impl Driver for FlowDriver {
    fn drive<'a>(&'a self, stage: Arc<Stage>, planned: &'a Planned) -> BoxFuture<'a, Result<(), DriveError>> {
        async move {
            let Workload::Flow(flow) = &planned.scenario.workload else {
                return Err(DriveError::Generator(format!("{} is no case", planned.scenario.id)));
            };
            let mut conductor = Conductor::new(Arc::clone(&stage), &planned.scenario.id, self.seed)?;
            for (step, when) in flow.when.iter().enumerate() {
                if stage.stop.is_cancelled() {
                    break;
                }
                match conductor.perform(&when.action).await {
                    Ok(operations) => {
                        stage.recorder.mark(Body::Step { step, operations }).await.map_err(StepError::from)?
                    }
                    Err(StepError::Impossible(why)) => {
                        let what = format!("step {} cannot be performed: {why}", step + 1);
                        stage.recorder.mark(Body::Act { what }).await.map_err(StepError::from)?;
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            Ok(conductor.end().await?)
        }
        .boxed()
    }
}
