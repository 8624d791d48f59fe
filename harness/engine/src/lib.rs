//! One run from plan to record: provision, drive, record, settle, collect.
//!
//! The engine never judges. It knows a target only by its file, and what it cannot see over HTTP, SQL or
//! the simulators, it does not know. Everything that it starts is a guard.
//!
//! | module | does |
//! |---|---|
//! | [`provision`] | PostgreSQL, providers, instances and the world, as guards |
//! | [`keeper`] | clears away what is left if we are killed |
//! | [`values`] | what the placeholders of a target file stand for |
//! | [`http`] | operations as requests, answers as outcomes |
//! | [`stage`] | processes that ask and are recorded |
//! | [`race`] | releases requests together |
//! | [`webhooks`] | delivers what the payment provider sends |
//! | [`nemesis`] | injects and heals the timetable's faults |
//! | [`recorder`] | writes every event, drops none |
//! | [`settle`] | waits for quiescence, reads the final state |
//! | [`collect`] | reads the evidence |
//! | [`store`] | the run folder |
//! | [`run`] | all of it in order, for one scenario |

pub mod chaos_toolkit;
pub mod clock;
pub mod collect;
mod customer;
pub mod http;
pub mod keeper;
pub mod memory;
pub mod nemesis;
pub mod progress;
pub mod provision;
pub mod race;
pub mod recorder;
pub mod run;
pub mod settle;
pub mod stage;
pub mod store;
pub mod values;
pub mod webhooks;

pub use overdraft_faults as faults;
pub use overdraft_model::fill;
