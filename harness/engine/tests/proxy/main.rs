//! The proxies in front of a real PostgreSQL: what passes, and what is struck.

mod inside;
mod pass;
mod strike;
mod support;
