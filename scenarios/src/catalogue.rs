//! The scenarios that come with the program, and the suites made of them.

use overdraft_model::{
    codec::{self, CodecError},
    flow::CaseFile,
    scenario::Scenario,
};
use serde::{Deserialize, de::IgnoredAny};

/// A named list of scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Its name on the command line.
    pub id: &'static str,
    /// One line for a listing.
    pub title: &'static str,
    /// The scenarios, in order.
    pub scenarios: &'static [&'static str],
}

/// Every suite. The first is what `run` runs without a name.
pub const SUITES: &[Suite] = &[
    Suite {
        id: "gate",
        title: "What a deploy must pass: races, double clicks, webhooks and emails",
        scenarios: &["flash-sale", "wallet-drain", "double-click", "webhook-storm", "email-outage"],
    },
    Suite {
        id: "chaos",
        title: "A market day while processes, wires, database, providers and clocks break",
        scenarios: &[
            "crash-loop",
            "database-restart",
            "lost-acknowledgement",
            "deadlock-storm",
            "pool-exhaustion",
            "provider-outage",
            "webhook-outage-burst",
            "clock-skew",
            "slow-database",
            "rolling-deploy",
        ],
    },
    Suite {
        id: "critical-flows",
        title: "The critical flows, case by case: given, when, then",
        scenarios: &[
            "CF-01", "CF-02", "CF-03", "CF-04", "CF-05", "CF-06", "CF-07", "CF-08", "CF-09", "CF-10", "CF-11", "CF-12",
            "CF-13", "CF-14", "CF-15", "CF-16", "CF-17", "CF-18", "CF-19", "CF-20", "CF-21", "CF-22", "CF-23",
        ],
    },
    Suite {
        id: "cases",
        title: "Cases beyond the critical flows: a partner's rush, a worker's death, expiring credits, limits across a minute",
        scenarios: &["partner-rush", "worker-killed", "credit-expiry", "limit-boundary"],
    },
];

const FILES: &[(&str, &str)] = &[
    ("flash-sale.toml", include_str!("../catalogue/flash-sale.toml")),
    ("wallet-drain.toml", include_str!("../catalogue/wallet-drain.toml")),
    ("double-click.toml", include_str!("../catalogue/double-click.toml")),
    ("webhook-storm.toml", include_str!("../catalogue/webhook-storm.toml")),
    ("email-outage.toml", include_str!("../catalogue/email-outage.toml")),
    ("crash-loop.toml", include_str!("../catalogue/crash-loop.toml")),
    ("database-restart.toml", include_str!("../catalogue/database-restart.toml")),
    ("lost-acknowledgement.toml", include_str!("../catalogue/lost-acknowledgement.toml")),
    ("deadlock-storm.toml", include_str!("../catalogue/deadlock-storm.toml")),
    ("pool-exhaustion.toml", include_str!("../catalogue/pool-exhaustion.toml")),
    ("provider-outage.toml", include_str!("../catalogue/provider-outage.toml")),
    ("webhook-outage-burst.toml", include_str!("../catalogue/webhook-outage-burst.toml")),
    ("clock-skew.toml", include_str!("../catalogue/clock-skew.toml")),
    ("slow-database.toml", include_str!("../catalogue/slow-database.toml")),
    ("rolling-deploy.toml", include_str!("../catalogue/rolling-deploy.toml")),
    ("market.toml", include_str!("../catalogue/market.toml")),
    ("soak.toml", include_str!("../catalogue/soak.toml")),
    ("lead-offsets.toml", include_str!("../catalogue/lead-offsets.toml")),
    ("wallet-offsets.toml", include_str!("../catalogue/wallet-offsets.toml")),
    ("crash-every-boundary.toml", include_str!("../catalogue/crash-every-boundary.toml")),
    ("CF-01.toml", include_str!("../critical-flows/CF-01.toml")),
    ("CF-02.toml", include_str!("../critical-flows/CF-02.toml")),
    ("CF-03.toml", include_str!("../critical-flows/CF-03.toml")),
    ("CF-04.toml", include_str!("../critical-flows/CF-04.toml")),
    ("CF-05.toml", include_str!("../critical-flows/CF-05.toml")),
    ("CF-06.toml", include_str!("../critical-flows/CF-06.toml")),
    ("CF-07.toml", include_str!("../critical-flows/CF-07.toml")),
    ("CF-08.toml", include_str!("../critical-flows/CF-08.toml")),
    ("CF-09.toml", include_str!("../critical-flows/CF-09.toml")),
    ("CF-10.toml", include_str!("../critical-flows/CF-10.toml")),
    ("CF-11.toml", include_str!("../critical-flows/CF-11.toml")),
    ("CF-12.toml", include_str!("../critical-flows/CF-12.toml")),
    ("CF-13.toml", include_str!("../critical-flows/CF-13.toml")),
    ("CF-14.toml", include_str!("../critical-flows/CF-14.toml")),
    ("CF-15.toml", include_str!("../critical-flows/CF-15.toml")),
    ("CF-16.toml", include_str!("../critical-flows/CF-16.toml")),
    ("CF-17.toml", include_str!("../critical-flows/CF-17.toml")),
    ("CF-18.toml", include_str!("../critical-flows/CF-18.toml")),
    ("CF-19.toml", include_str!("../critical-flows/CF-19.toml")),
    ("CF-20.toml", include_str!("../critical-flows/CF-20.toml")),
    ("CF-21.toml", include_str!("../critical-flows/CF-21.toml")),
    ("CF-22.toml", include_str!("../critical-flows/CF-22.toml")),
    ("CF-23.toml", include_str!("../critical-flows/CF-23.toml")),
    ("partner-rush.toml", include_str!("../cases/partner-rush.toml")),
    ("worker-killed.toml", include_str!("../cases/worker-killed.toml")),
    ("credit-expiry.toml", include_str!("../cases/credit-expiry.toml")),
    ("limit-boundary.toml", include_str!("../cases/limit-boundary.toml")),
];

/// Every scenario that comes with the program.
///
/// # Errors
/// Fails with the file's name if a file is broken; a test keeps that from being released.
pub fn scenarios() -> Result<Vec<Scenario>, (&'static str, CodecError)> {
    FILES.iter().map(|(name, text)| read(text).map_err(|error| (*name, error))).collect()
}

/// Reads a scenario file, or a case file, which has steps (`[[when]]`) in place of a workload.
///
/// # Errors
/// Fails with the place in the text.
pub fn read(text: &str) -> Result<Scenario, CodecError> {
    #[derive(Deserialize)]
    struct Steps {
        when: Option<IgnoredAny>,
    }
    match codec::read_toml::<Steps>(text) {
        Ok(Steps { when: Some(_) }) => codec::read_toml::<CaseFile>(text).map(Scenario::from),
        _ => codec::read_toml(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_reads_and_is_named_after_its_scenario() {
        let scenarios = scenarios().unwrap();
        for (scenario, (name, _)) in scenarios.iter().zip(FILES) {
            assert_eq!(format!("{}.toml", scenario.id), *name);
        }
    }

    #[test]
    fn suites_name_scenarios_that_exist() {
        let scenarios = scenarios().unwrap();
        for suite in SUITES {
            for name in suite.scenarios {
                assert!(scenarios.iter().any(|scenario| scenario.id == *name), "{name}");
            }
        }
    }
}
