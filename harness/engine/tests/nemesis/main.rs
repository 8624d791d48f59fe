//! The nemesis against processes and a server of its own: what each fault does to them, and that it heals.

mod database;
mod instances;
mod service;
mod support;
mod timetable;
