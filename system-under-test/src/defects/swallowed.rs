//! `email-failure-swallowed`: "an email must never break anything, so catch it".

use futures::future::BoxFuture;

use crate::email::{Email, Provider, SendError};
use crate::seams::Mailer;

/// Logs the provider's error and reports success.
pub(super) struct Swallowing(pub(super) Provider);

impl Mailer for Swallowing {
    fn send<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<String>, SendError>> {
        Box::pin(async move {
            match self.0.send(email).await {
                Ok(id) => Ok(id),
                Err(error) => {
                    tracing::warn!(%error, event = email.event, "email could not be sent");
                    Ok(None)
                }
            }
        })
    }
}
