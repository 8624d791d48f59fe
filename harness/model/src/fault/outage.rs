//! Which instances a fault hits, and how a database server goes.

use serde::{Deserialize, Serialize};

/// Instances of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// One, the next each time.
    #[default]
    One,
    /// All of them.
    All,
}

/// How a database server goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// As in a power cut: SIGKILL, and recovery when it starts again.
    Killed,
    /// In order: sessions are closed, a checkpoint is written.
    Stopped,
    /// It stands still with all its connections, and goes on.
    Frozen,
}
