//! The program as its users meet it: arguments in; exit code, words and files out; and nothing left behind.
#![cfg(target_os = "linux")]

mod audit;
mod boundaries;
mod defect;
mod formats;
mod given_server;
mod interrupted;
mod output;
mod prove;
mod races;
mod refusals;
mod saved;
mod shrink;
mod staff;
#[path = "../support/mod.rs"]
mod support;
mod target_fails;
mod tenancy;
mod valid;
