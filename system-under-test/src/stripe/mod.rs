//! What we need of Stripe: checkout sessions out, signed events in.

mod checkout;
mod events;
#[cfg(test)]
mod events_tests;
mod objects;
pub(crate) mod signature;

pub(crate) use checkout::{Checkout, CheckoutOrder};
pub(crate) use events::{Dispute, Envelope, Fact, Meaning, Payment, Refund, current, meaning};
pub(crate) use objects::fetch;
