//! The words of Overdraft as data: what was planned, what was done, what was found.
//!
//! A leaf crate. It holds shapes and their codecs and nothing that acts: no clock, no network, no
//! randomness. Every other crate meets the others through these values, so a run can be written to a
//! folder, read back years later and judged again with the same answer.
//!
//! | module | holds |
//! |---|---|
//! | [`operation`] | what a client asks for and what it is told |
//! | [`history`] | the stream of events of a run, and calls paired from it |
//! | [`evidence`] | what the database, the payment provider and the email sink say afterwards |
//! | [`target`] | the target file: how any service is started, driven and read |
//! | [`flow`] | a case as given, when, then |
//! | [`promises`] | what a target promises beyond the checks: limits, orders of statuses, invariants |
//! | [`scenario`] | the scenario file: workload, load, faults, thresholds |
//! | [`fault`] | the faults that a timetable may name |
//! | [`boundary`] | protocol boundaries of an operation, and what is done there |
//! | [`manifest`] | what a run was made of: seed, plan, world, versions |
//! | [`tenancy`] | what a prober of tenant isolation is told, tried and found |
//! | [`verdict`] | verdicts, findings, measurements: what the reports print |
//! | [`release`] | how the requests of a race are let go |
//! | [`threshold`] | limits in k6's spelling |
//! | [`fill`] | placeholders in texts, JSON and SQL |
//! | [`span`] | durations as people write them |
//! | [`edn`] | a history for Jepsen's tools |
//! | [`codec`] | JSON lines and TOML, with errors that name the place |

pub mod boundary;
pub mod codec;
pub mod edn;
pub mod evidence;
pub mod fault;
pub mod fill;
pub mod flow;
pub mod history;
pub mod manifest;
pub mod operation;
pub mod promises;
pub mod release;
pub mod scenario;
pub mod span;
pub mod target;
pub mod tenancy;
pub mod threshold;
pub mod verdict;
