//! The linearizability checker, proven: against every order of small random histories, on textbook examples, on the
//! fixtures in Porcupine's formats, and at its limits.

mod brute;
mod examples;
mod formats;
mod limits;
mod random;
