//! The scenario catalogue, the workloads, and the goose driver that applies them.
//!
//! A workload is a pure function from scenario and seed to a world and one script per user; goose's own
//! random numbers decide nothing. The only crate that starts goose.

pub mod boundary;
pub mod catalogue;
mod draw;
pub mod driver;
pub mod flow;
mod kept;
mod offsets;
pub mod perform;
pub mod reduce;
pub mod script;
pub mod steps;
mod timetable;
mod workloads;
