//! Judges a recorded run: history and evidence in, findings and verdicts out.
//!
//! Pure: no clock, no network, no file. The same input gives the same bytes, so `overdraft check DIR` is
//! the live path. It never meets the target; all it knows was written down by somebody else.
//!
//! Two mistakes would be worse than any bug it looks for: to accuse a system that did nothing wrong, and
//! to be green about something that was never tried. Hence the rules, kept in one place (`trial`):
//!
//! - A violation that was seen is `invalid`, whatever else is not known.
//! - A table that the target does not map, or a target that was still busy when it was read, makes the
//!   checks that rest on it `unknown`; they say which table.
//! - A check that saw nothing of its kind is `unknown` where the scenario `proves` it. Elsewhere it is left
//!   out of the scenario's list: not tried, so not shown as green.
//! - A check that the target `skip`s is shown as skipped and does not count. `run.exercised` cannot be.
//! - A scenario that it `skip`s is not tried: all its checks are skipped, and it does not count either.
//!
//! | module | holds |
//! |---|---|
//! | [`catalogue`] | what each check means, how it is checked, which incident it would have caught |
//! | `checks` | one file per check |
//! | `case` | what a check is given: plan, history and evidence of one scenario, indexed |
//! | `effects`, `balances` | what took effect and when it can have; what each account went through |
//! | `untold` | whose credits may have moved by rows that are not mapped |
//! | `bundles`, `door` | which rows are one purchase; which requests were turned away before they were in the shop |
//! | `study` | what several checks need and is found once |
//! | `serial` | a small shop that does one thing at a time |
//! | `reconcile` | three ledgers held against each other, as one number |
//! | `ledger` | sums per workspace, from the books of three keepers |
//! | [`linearizable`] | linearizability of any history against any sequential specification |
//! | [`minimise`] | the smallest part that still shows what the whole shows |
//! | `needed` | which answers a violation rests on |
//! | `trial` | from what a check saw to its verdict: the rules above |
//! | `windows` | the stretch of time into which most was let |
//! | `offsets`, [`statistics`] | how often both of a pair won, by their distance; shares with their uncertainty |
//! | `measure` | latencies, concurrency, races, faults, errors |
//! | `story`, `rows`, `words`, `money` | how a finding is told |

mod balances;
mod bundles;
mod case;
pub mod catalogue;
mod checks;
mod clawback;
mod counted;
mod coverage;
mod door;
mod effects;
mod judge;
mod ledger;
pub mod linearizable;
mod measure;
pub mod minimise;
mod money;
mod needed;
mod offsets;
mod reconcile;
mod rows;
mod serial;
pub mod statistics;
mod story;
mod study;
mod trial;
mod untold;
mod windows;
mod words;

pub use checks::thresholds::{LimitError, validate_metric, validate_threshold};
pub use judge::judge;
pub use needed::answers_needed;
