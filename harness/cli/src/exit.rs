//! Exit codes: the one place where they are decided.

use overdraft_engine::{
    provision::{InstanceError, ProvisionError, WireError},
    run::RunError,
};
use overdraft_model::verdict::Validity;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: every check valid.
    Valid,
    /// 1: a check or threshold was violated.
    Invalid,
    /// 2: usage or configuration.
    Usage,
    /// 3: unknown: the target could not be reached, or something was not exercised.
    Unknown,
    /// 4: the harness could not do its work.
    Harness,
    /// 130: interrupted.
    Interrupted,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::Harness => 4,
            Self::Interrupted => 130,
        }
    }

    pub(crate) const fn of(validity: Validity) -> Self {
        match validity {
            Validity::Valid => Self::Valid,
            Validity::Unknown => Self::Unknown,
            Validity::Invalid => Self::Invalid,
        }
    }
}

/// Why the program ends early, and how.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    pub(crate) fn harness(message: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Harness, message: message.to_string() }
    }

    /// A scenario without evidence: whose doing was it?
    pub(crate) fn of_run(error: &RunError) -> Self {
        let exit = match error {
            RunError::Interrupted => Exit::Interrupted,
            RunError::Provision(ProvisionError::Instance(InstanceError::NotReady { .. }))
            | RunError::InstanceEnded { .. } => Exit::Unknown,
            // Statements and placeholders of the target file that turn out wrong only when they are used.
            RunError::Provision(
                ProvisionError::World(_)
                | ProvisionError::Wire(WireError::NoAddress { .. })
                | ProvisionError::Races { .. }
                | ProvisionError::Instance(
                    InstanceError::Fill(_) | InstanceError::Spawn { .. } | InstanceError::Prepare { .. },
                ),
            )
            | RunError::Session(_)
            | RunError::Collect(_) => Exit::Usage,
            RunError::Provision(
                ProvisionError::Postgres(_)
                | ProvisionError::Provider(_)
                | ProvisionError::Wire(WireError::Start { .. }),
            )
            | RunError::Drive(_)
            | RunError::Recorder(_)
            | RunError::Settle(_)
            | RunError::PostgresDied(_) => Exit::Harness,
        };
        Self { exit, message: error.to_string() }
    }
}
