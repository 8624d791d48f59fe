//! The world around the target, and what goes wrong in it: the payment provider, the email provider, and the
//! wires between all of them.
//!
//! Each provider is a real HTTP server with a ledger of its own, each wire a proxy. A fault is injected with
//! `inject`, which returns a [`guard::Guard`]: while the guard lives the fault hits, when it drops the
//! provider or wire is sound again, and its count of effects says whether anything was hit at all.
//!
//! Whatever is left to chance here is drawn from the seed and from a name that does not depend on the
//! machine's scheduler, so that the same seed gives the same fates to the same messages. Nothing here
//! knows the target, the scenario or the checks.
//!
//! | module | holds |
//! |---|---|
//! | [`stripe`] | checkout, payments, webhook deliveries, forgeries |
//! | [`email`] | Resend's API, the alert hook |
//! | [`tcp`] | a proxy with Toxiproxy's toxics |
//! | [`postgres`] | a proxy that knows statements, and strikes them |
//! | [`database`] | terminated backends, used up connections, held locks |
//! | [`calls`] | requests to a provider, one by one, and a blow at the n-th |
//! | [`guard`] | what keeps a fault in place |

// The provider's objects are written out in full, and `json!` recurses once per token.
#![recursion_limit = "256"]

pub mod calls;
pub mod database;
mod draw;
pub mod email;
pub mod guard;
mod listener;
pub mod postgres;
mod row;
mod server;
pub mod stripe;
pub mod tcp;

pub use listener::ProxyError;
