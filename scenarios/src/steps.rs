//! What users do, step by step. Data only: who draws it is in `script` and the workloads.

use overdraft_model::{flow::Flow, operation::Operation};
use serde::Serialize;
use sha2::{Digest, Sha256};

/// One step of one user.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Ask, wait for the answer, go on whatever it is.
    Call(Operation),
    /// Ask, and while there is no answer ask again under the same key.
    Insist(Operation),
    /// Ask at the same instant as everybody else in the race of that name.
    Race {
        /// The race.
        name: String,
        /// What to ask.
        operation: Operation,
    },
    /// Order credits, insisting; if a checkout session comes back, pay it unless the customer walks away.
    Order {
        /// The order.
        operation: Operation,
        /// Whether the customer pays.
        pays: bool,
    },
    /// Read the status of every order of credits so far, where the target says how.
    Statuses,
    /// Do nothing for so many milliseconds.
    Pause(u64),
}

impl Step {
    /// What it asks, where it asks one thing.
    #[must_use]
    pub const fn operation(&self) -> Option<&Operation> {
        match self {
            Self::Call(operation)
            | Self::Insist(operation)
            | Self::Race { operation, .. }
            | Self::Order { operation, .. } => Some(operation),
            Self::Statuses | Self::Pause(_) => None,
        }
    }
}

/// One list of steps per user.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Script {
    /// By user.
    pub users: Vec<Vec<Step>>,
    /// The case, where the workload is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
}

impl Script {
    /// The races and how many take part in each, in order of appearance.
    #[must_use]
    pub fn races(&self) -> Vec<(String, usize)> {
        let mut races: Vec<(String, usize)> = Vec::new();
        let mut place = std::collections::HashMap::new();
        for step in self.users.iter().flatten() {
            if let Step::Race { name, .. } = step {
                let at = *place.entry(name).or_insert_with(|| {
                    races.push((name.clone(), 0));
                    races.len() - 1
                });
                races[at].1 += 1;
            }
        }
        races
    }

    /// SHA-256 over every step, hexadecimal.
    #[must_use]
    pub fn hash(&self) -> String {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
