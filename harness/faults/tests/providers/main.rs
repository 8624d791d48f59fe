//! The simulators as their users see them: over HTTP and through the public API.

mod calls;
mod claims;
mod control;
mod email;
mod forgeries;
mod official_client;
mod payments;
mod stripe_api;
mod stripe_faults;
mod stripe_outages;
mod support;
mod webhooks;
