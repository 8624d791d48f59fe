//! The customer at the checkout: cards that succeed, fail or ask for more, and methods whose money comes later.

use std::time::Duration;

use super::{
    StripeSim,
    book::{Book, Moment, News},
    events::Origin,
    intents::{Charge, Charged, DECLINED, Failure, Intent, Phase, RETURNED},
    objects::Stage,
};

/// How the customer pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A card that succeeds at once.
    Card,
    /// A card that succeeds once the customer has confirmed it with its bank (3-D Secure).
    Challenged,
    /// A card that is declined. The session stays open for another attempt.
    Declined,
    /// A bank debit: the session completes unpaid, [`StripeSim::settle_delayed`] tells the rest.
    Delayed,
}

/// What came of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// The money is there.
    Paid,
    /// It was refused, now or after a delay.
    Refused,
    /// It is on its way.
    Processing,
}

/// What an attempt to pay made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// `cs_…`.
    pub session: String,
    /// `pi_…`.
    pub payment_intent: String,
    /// `ch_…`.
    pub charge: String,
    /// What is to be paid, in the currency's smallest unit.
    pub amount: i64,
    /// Three letters, lower case.
    pub currency: String,
    /// Whether it is.
    pub came: Came,
}

/// Why a session cannot be paid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// The provider has no such session.
    #[error("no checkout session {0} was ever opened at the provider")]
    Unknown(String),
    /// It was paid before.
    #[error("checkout session {0} is already paid")]
    AlreadyPaid(String),
    /// It was completed by a delayed method, whatever came of that.
    #[error("checkout session {0} is already complete")]
    Complete(String),
    /// Its time is over, or the target expired it.
    #[error("checkout session {0} has expired")]
    Expired(String),
    /// No delayed payment of it waits for its end.
    #[error("checkout session {0} waits for no delayed payment")]
    NotDelayed(String),
}

impl StripeSim {
    /// The customer pays a session by card, which succeeds.
    ///
    /// `label` is a stable name: it seeds the fates of this payment's deliveries, so that the same seed gives
    /// the same fates whatever the scheduler does. A label that comes again is told apart by how often it
    /// came. `now` is the time since the simulator's start, as the caller's clock says.
    ///
    /// # Errors
    /// Fails, with nothing done, where the session cannot be paid.
    pub fn pay(&self, session: &str, label: &str, now: Duration) -> Result<Paid, PayError> {
        self.pay_with(session, Method::Card, label, now)
    }

    /// The customer tries to pay a session. A refusal is no error: it is what came.
    ///
    /// # Errors
    /// As [`StripeSim::pay`].
    pub fn pay_with(&self, session: &str, method: Method, label: &str, now: Duration) -> Result<Paid, PayError> {
        let (mut book, moment) = self.open(now);
        let unknown = || PayError::Unknown(session.to_owned());
        let mut checkout = book.checkout(session).ok_or_else(unknown)?.clone();
        match checkout.stage {
            Stage::Paid => return Err(PayError::AlreadyPaid(session.to_owned())),
            Stage::Processing | Stage::Failed => return Err(PayError::Complete(session.to_owned())),
            Stage::Open if checkout.expires_at > moment.created => {}
            Stage::Open | Stage::Expired => return Err(PayError::Expired(session.to_owned())),
        }
        let label = match book.uses_of(&format!("pay {label}")) {
            0 => label.to_owned(),
            again => format!("{label}#{again}"),
        };
        let begun = checkout.intent.clone();
        let intent = begun.clone().unwrap_or_else(|| book.fresh(moment.seed, "pi_3", 23, &[&label]));
        checkout.intent = Some(intent.clone());
        checkout.stage = match method {
            Method::Card | Method::Challenged => Stage::Paid,
            Method::Declined => Stage::Open,
            Method::Delayed => Stage::Processing,
        };
        book.put_checkout(&checkout);
        if checkout.stage == Stage::Paid {
            book.forge_around(&label, &checkout, &moment);
        }
        let origin = Origin::default();
        if begun.is_none() {
            let opened = Intent {
                id: intent.clone(),
                created: moment.created,
                amount: checkout.amount,
                currency: checkout.currency.clone(),
                metadata: checkout.intent_metadata.clone(),
                description: None,
                payment_method: None,
                debit: false,
                phase: Phase::Open,
                failure: None,
                canceled: None,
                charge: None,
                session: Some(session.to_owned()),
                label,
            };
            book.open_intent(opened, &origin, &moment);
        }
        let (charge, came) = match method {
            Method::Card => (book.succeed(&intent, None, &origin, &moment), Came::Paid),
            Method::Challenged => {
                book.challenge(&intent, None, &origin, &moment);
                (book.succeed(&intent, None, &origin, &moment), Came::Paid)
            }
            Method::Declined => (book.fail(&intent, DECLINED, &origin, &moment), Came::Refused),
            Method::Delayed => (book.process(&intent, &origin, &moment), Came::Processing),
        };
        if checkout.stage != Stage::Open {
            book.tell_of_session(&checkout, "checkout.session.completed", &moment);
        }
        let charge = charge.ok_or_else(unknown)?.id;
        let (amount, currency) = (checkout.amount, checkout.currency);
        Ok(Paid { session: session.to_owned(), payment_intent: intent, charge, amount, currency, came })
    }

    /// A delayed payment comes to its end: the money arrives or never will.
    ///
    /// # Errors
    /// Fails, with nothing done, where the session waits for no delayed payment.
    pub fn settle_delayed(&self, session: &str, succeeds: bool, label: &str, now: Duration) -> Result<Paid, PayError> {
        let (mut book, moment) = self.open(now);
        let mut checkout = book.checkout(session).ok_or_else(|| PayError::Unknown(session.to_owned()))?.clone();
        let not_delayed = || PayError::NotDelayed(session.to_owned());
        let intent = checkout.intent.clone().filter(|_| checkout.stage == Stage::Processing).ok_or_else(not_delayed)?;
        let origin = Origin::default();
        let (charge, event_type, came) = if succeeds {
            checkout.stage = Stage::Paid;
            book.put_checkout(&checkout);
            let label = book.told_apart("settle", label);
            book.forge_around(&label, &checkout, &moment);
            let charge = book.succeed(&intent, None, &origin, &moment);
            (charge, "checkout.session.async_payment_succeeded", Came::Paid)
        } else {
            checkout.stage = Stage::Failed;
            book.put_checkout(&checkout);
            let charge = book.fail(&intent, RETURNED, &origin, &moment);
            (charge, "checkout.session.async_payment_failed", Came::Refused)
        };
        book.tell_of_session(&checkout, event_type, &moment);
        let charge = charge.ok_or_else(not_delayed)?.id;
        let (amount, currency) = (checkout.amount, checkout.currency);
        Ok(Paid { session: session.to_owned(), payment_intent: intent, charge, amount, currency, came })
    }
}

impl Book {
    /// Opens a payment intent and says so.
    pub(super) fn open_intent(&mut self, intent: Intent, origin: &Origin, moment: &Moment<'_>) {
        let created = Intent { payment_method: None, ..intent.clone() };
        self.tell_of_intent(&created, "payment_intent.created", origin, moment);
        self.intents.insert(intent.id.clone(), intent);
    }

    /// The money arrives: by a charge that waited for it, or by a new one.
    pub(super) fn succeed(
        &mut self,
        intent: &str,
        payment_method: Option<String>,
        origin: &Origin,
        moment: &Moment<'_>,
    ) -> Option<Charge> {
        let charge = self.attempt(intent, payment_method, Charged::Succeeded, moment)?;
        self.tell_of_charge(&charge, "charge.succeeded", origin, moment);
        self.tell_of_intent(&charge.intent, "payment_intent.succeeded", origin, moment);
        Some(charge)
    }

    /// The money does not come. The intent asks for another method.
    pub(super) fn fail(
        &mut self,
        intent: &str,
        failure: Failure,
        origin: &Origin,
        moment: &Moment<'_>,
    ) -> Option<Charge> {
        let charge = self.attempt(intent, None, Charged::Failed(failure), moment)?;
        self.tell_of_charge(&charge, "charge.failed", origin, moment);
        let after = self.intents.get(intent)?.clone();
        self.tell_of_intent(&after, "payment_intent.payment_failed", origin, moment);
        Some(charge)
    }

    /// A bank debit is on its way.
    pub(super) fn process(&mut self, intent: &str, origin: &Origin, moment: &Moment<'_>) -> Option<Charge> {
        self.intents.get_mut(intent)?.debit = true;
        let charge = self.attempt(intent, None, Charged::Pending, moment)?;
        self.tell_of_charge(&charge, "charge.pending", origin, moment);
        self.tell_of_intent(&charge.intent, "payment_intent.processing", origin, moment);
        Some(charge)
    }

    /// The bank wants to hear from its customer.
    pub(super) fn challenge(
        &mut self,
        intent: &str,
        payment_method: Option<String>,
        origin: &Origin,
        moment: &Moment<'_>,
    ) -> Option<()> {
        let method = self.method_for(intent, payment_method, moment)?;
        let found = self.intents.get_mut(intent)?;
        found.phase = Phase::Challenged;
        found.payment_method = Some(method);
        let found = found.clone();
        self.tell_of_intent(&found, "payment_intent.requires_action", origin, moment);
        Some(())
    }

    /// Nobody will pay it any more.
    pub(super) fn cancel(&mut self, intent: &str, reason: &str, origin: &Origin, moment: &Moment<'_>) -> Option<()> {
        let found = self.intents.get_mut(intent)?;
        found.phase = Phase::Canceled;
        found.canceled = Some((moment.created, reason.to_owned()));
        let found = found.clone();
        self.tell_of_intent(&found, "payment_intent.canceled", origin, moment);
        Some(())
    }

    /// Brings the pending charge of an intent, or a new one, into a state, and the intent with it.
    fn attempt(
        &mut self,
        intent: &str,
        payment_method: Option<String>,
        state: Charged,
        moment: &Moment<'_>,
    ) -> Option<Charge> {
        let found = self.intents.get(intent)?.clone();
        let pending = found.charge.as_ref().and_then(|charge| self.charges.get(charge));
        let pending = pending.filter(|charge| charge.state == Charged::Pending);
        let (id, created) = match pending {
            Some(charge) => (charge.id.clone(), charge.created),
            None => (self.fresh(moment.seed, "ch_3", 23, &[&found.label]), moment.created),
        };
        let method = self.method_for(intent, payment_method, moment)?;
        let found = self.intents.get_mut(intent)?;
        found.charge = Some(id.clone());
        found.payment_method = Some(method);
        found.failure = None;
        found.phase = match state {
            Charged::Pending => Phase::Processing,
            Charged::Succeeded => Phase::Succeeded,
            Charged::Failed(_) => Phase::Open,
        };
        let charge = Charge { id: id.clone(), created, intent: found.clone(), state, refunded: 0, dispute: None };
        if let Charged::Failed(failure) = state {
            found.payment_method = None;
            found.failure = Some(failure);
            found.debit = false;
        }
        self.charges.insert(id, charge.clone());
        Some(charge)
    }

    fn method_for(&mut self, intent: &str, wanted: Option<String>, moment: &Moment<'_>) -> Option<String> {
        let found = self.intents.get(intent)?;
        if let Some(known) = wanted.or_else(|| found.payment_method.clone()) {
            return Some(known);
        }
        let label = found.label.clone();
        Some(self.fresh(moment.seed, "pm_1", 23, &[&label]))
    }

    /// Issues an event about a session, under the name of its payment.
    pub(super) fn tell_of_session(
        &mut self,
        checkout: &super::objects::Checkout,
        event_type: &'static str,
        moment: &Moment<'_>,
    ) -> String {
        let intent = checkout.intent.as_ref().and_then(|intent| self.intents.get(intent));
        let label = intent.map_or_else(|| checkout.id.clone(), |intent| intent.label.clone());
        let (session, object, origin) = (Some(checkout.id.as_str()), checkout.to_json(), Origin::default());
        self.issue(News { label: &label, event_type, session, object, origin }, moment)
    }

    fn tell_of_intent(&mut self, intent: &Intent, event_type: &'static str, origin: &Origin, moment: &Moment<'_>) {
        let (label, session, object) = (intent.label.as_str(), intent.session.as_deref(), intent.to_json());
        self.issue(News { label, event_type, session, object, origin: origin.clone() }, moment);
    }

    fn tell_of_charge(&mut self, charge: &Charge, event_type: &'static str, origin: &Origin, moment: &Moment<'_>) {
        let intent = &charge.intent;
        let (label, session, object) = (intent.label.as_str(), intent.session.as_deref(), charge.to_json());
        self.issue(News { label, event_type, session, object, origin: origin.clone() }, moment);
    }
}
