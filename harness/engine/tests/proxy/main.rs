//! The proxies in front of a real PostgreSQL: what passes, and what is struck.

mod pass;
mod strike;
mod support;
