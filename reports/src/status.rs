//! A status as a word and a symbol, never a colour alone.

use overdraft_model::verdict::{CheckVerdict, ScenarioVerdict, Stake, Validity, Verdict};

use crate::words;

/// What a reader is told about a check or a whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It held.
    Valid,
    /// It was broken.
    Invalid,
    /// It was not tried, or not enough is known.
    Unknown,
    /// The target does not promise it.
    Skipped,
}

impl From<Validity> for Status {
    fn from(validity: Validity) -> Self {
        match validity {
            Validity::Valid => Self::Valid,
            Validity::Unknown => Self::Unknown,
            Validity::Invalid => Self::Invalid,
        }
    }
}

impl Status {
    /// The status of a check.
    pub fn of(check: &CheckVerdict) -> Self {
        if check.skipped.is_some() { Self::Skipped } else { check.validity.into() }
    }

    /// The status of a scenario.
    pub fn of_scenario(scenario: &ScenarioVerdict) -> Self {
        if scenario.left_out().is_some() { Self::Skipped } else { scenario.validity.into() }
    }

    /// The status of an amount at stake: a zero is good news only where the rest is known.
    pub fn of_stake(stake: &Stake, whole: Validity) -> Self {
        match (stake.amount, whole) {
            (0, Validity::Unknown) => Self::Unknown,
            (0, Validity::Valid | Validity::Invalid) => Self::Valid,
            _ => Self::Invalid,
        }
    }

    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    /// The symbol that stands before the word.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Valid => "✓",
            Self::Invalid => "✗",
            Self::Unknown => "?",
            Self::Skipped => "–",
        }
    }
}

/// What a stake's status means in words.
pub const fn stake_word(status: Status) -> &'static str {
    match status {
        Status::Valid => "none found",
        Status::Unknown => "not proven",
        Status::Invalid | Status::Skipped => "at stake",
    }
}

/// What an exit code tells a pipeline.
pub const fn exit_meaning(code: u8) -> &'static str {
    match code {
        0 => "every check is valid",
        1 => "a check or threshold was violated",
        2 => "usage or configuration",
        3 => "not enough was tried or known",
        4 => "the harness failed",
        130 => "interrupted",
        _ => "see the documentation",
    }
}

/// How many checks have each status, as `2 invalid, 1 unknown, 7 valid`; what is worst comes first.
pub fn tally<'a>(scenarios: impl IntoIterator<Item = &'a ScenarioVerdict>) -> String {
    let all: Vec<Status> = scenarios.into_iter().flat_map(|scenario| scenario.checks.iter().map(Status::of)).collect();
    let parts: Vec<String> = [Status::Invalid, Status::Unknown, Status::Valid, Status::Skipped]
        .into_iter()
        .filter_map(|status| {
            let number = all.iter().filter(|one| **one == status).count();
            (number > 0).then(|| format!("{} {}", words::count(number as u64), status.word()))
        })
        .collect();
    if parts.is_empty() { "no checks".to_owned() } else { parts.join(", ") }
}

/// Every violation of a scenario with the check that found it.
pub fn findings_of(scenario: &ScenarioVerdict) -> usize {
    scenario.checks.iter().map(|check| check.findings.len()).sum()
}

/// The verdict's word with a capital, as a headline.
pub const fn headline(verdict: &Verdict) -> &'static str {
    match verdict.validity {
        Validity::Valid => "Valid",
        Validity::Unknown => "Unknown",
        Validity::Invalid => "Invalid",
    }
}
