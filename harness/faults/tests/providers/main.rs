//! The simulators as their users see them: over HTTP and through the public API.

mod email;
mod forgeries;
mod stripe_api;
mod stripe_faults;
mod support;
mod webhooks;
