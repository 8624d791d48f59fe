//! Who performs a scenario: goose a workload, the conductor a case, and each search its own driver.

use std::sync::Arc;

use futures::future::BoxFuture;
use overdraft_engine::{
    run::{DriveError, Driver},
    stage::Stage,
};
use overdraft_model::{manifest::Planned, scenario::Workload};

use crate::{
    boundary::driver::BoundaryDriver, driver::GooseDriver, flow::driver::FlowDriver, offsets::driver::OffsetDriver,
};

/// Drives any scenario.
#[derive(Debug, Clone, Copy)]
pub struct Performer {
    goose: GooseDriver,
    flow: FlowDriver,
    offsets: OffsetDriver,
    boundary: BoundaryDriver,
}

impl Performer {
    /// For a run with this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self {
            goose: GooseDriver { seed },
            flow: FlowDriver { seed },
            offsets: OffsetDriver { seed },
            boundary: BoundaryDriver { seed },
        }
    }
}

impl Driver for Performer {
    fn drive<'a>(&'a self, stage: Arc<Stage>, planned: &'a Planned) -> BoxFuture<'a, Result<(), DriveError>> {
        match planned.scenario.workload {
            Workload::Flow(_) => self.flow.drive(stage, planned),
            Workload::PairOffsets { .. } => self.offsets.drive(stage, planned),
            Workload::EveryBoundary { .. } => self.boundary.drive(stage, planned),
            _ => self.goose.drive(stage, planned),
        }
    }
}
