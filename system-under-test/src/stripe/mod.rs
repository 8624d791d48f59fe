//! What we need of Stripe: checkout sessions out, signed events in.

mod checkout;
mod events;
pub(crate) mod signature;

pub(crate) use checkout::{Checkout, CheckoutOrder};
pub(crate) use events::{Envelope, Meaning, Payment, meaning};
