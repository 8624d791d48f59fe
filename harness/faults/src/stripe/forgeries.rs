//! Forged deliveries: each claims that a checkout was completed and paid which was not.

use std::time::Duration;

use overdraft_model::operation::Forgery;

use super::{
    PayError, StripeSim,
    book::{Book, Moment},
    deliveries::{Outgoing, Way},
    events::{self, Origin},
    objects::{Checkout, Stage},
};

const CLAIM: &str = "checkout.session.completed";

impl StripeSim {
    /// Somebody posts one forged delivery that claims a session was paid; its id is returned. It passes a hold
    /// and an outage of webhooks: it does not come from the provider.
    ///
    /// # Errors
    /// Fails where there is no such session.
    pub fn forge(&self, session: &str, kind: Forgery, now: Duration) -> Result<u64, PayError> {
        let (mut book, moment) = self.open(now);
        let checkout = book.checkout(session).ok_or_else(|| PayError::Unknown(session.to_owned()))?.clone();
        let label = book.told_apart("forge", session);
        Ok(book.forge(&label, kind, checkout, moment.now, Way::Cleared, &moment))
    }

    /// The provider itself tells that an open session is complete and unpaid, in a true event of which the
    /// id is returned: credits granted on it were granted for nothing. The session stays open.
    ///
    /// # Errors
    /// Fails where there is no such session or it is not open.
    pub fn complete_unpaid(&self, session: &str, now: Duration) -> Result<String, PayError> {
        let (mut book, moment) = self.open(now);
        let mut checkout = book.checkout(session).ok_or_else(|| PayError::Unknown(session.to_owned()))?.clone();
        match checkout.stage {
            Stage::Open => {}
            Stage::Paid => return Err(PayError::AlreadyPaid(session.to_owned())),
            Stage::Processing | Stage::Failed => return Err(PayError::Complete(session.to_owned())),
            Stage::Expired => return Err(PayError::Expired(session.to_owned())),
        }
        checkout.stage = Stage::Processing;
        if checkout.intent.is_none() {
            checkout.intent = Some(book.fresh(moment.seed, "pi_3", 23, &["unpaid", session]));
        }
        Ok(book.tell_of_session(&checkout, CLAIM, &moment))
    }
}

impl Book {
    /// Schedules the forgeries that a payment provokes, ahead of its true events. Each claims that the oldest
    /// session that was not paid was, or else the one just paid. Whether and when they come is fate; which
    /// session is open just then is not.
    pub(super) fn forge_around(&mut self, label: &str, paid: &Checkout, moment: &Moment<'_>) {
        let Some(chaos) = &moment.chaos else { return };
        for (kind, delay) in chaos.value().forgeries(moment.seed, label) {
            let claimed = self.unpaid(moment.created).unwrap_or(paid).clone();
            chaos.hit();
            self.forge(label, kind, claimed, moment.now + delay, Way::Queue, moment);
        }
    }

    /// The oldest session that can still be paid: the likeliest never to be.
    fn unpaid(&self, created: i64) -> Option<&Checkout> {
        self.checkouts.iter().find(|checkout| checkout.stage == Stage::Open && checkout.expires_at > created)
    }

    fn forge(
        &mut self,
        label: &str,
        kind: Forgery,
        mut claimed: Checkout,
        due: Duration,
        way: Way,
        moment: &Moment<'_>,
    ) -> u64 {
        let name = kind_name(kind);
        if claimed.stage != Stage::Paid {
            claimed.stage = Stage::Paid;
            claimed.intent = Some(self.fresh(moment.seed, "pi_3", 23, &[label, name]));
        }
        let event = self.fresh(moment.seed, "evt_1", 23, &[label, "forged", name]);
        let (created, object) = (moment.created, claimed.to_json());
        let envelope = events::envelope(&event, moment.api_version, created, CLAIM, object, &Origin::default());
        let (body, original) = events::forge(envelope, kind);
        let outgoing = Outgoing {
            id: self.deliveries.next_id(),
            event,
            event_type: CLAIM.to_owned(),
            session: Some(claimed.id),
            attempt: 1,
            forgery: Some(kind),
            burst: None,
            sequence: None,
            body,
            due,
            original,
        };
        let id = outgoing.id;
        self.deliveries.add(outgoing, None, way);
        id
    }
}

const fn kind_name(kind: Forgery) -> &'static str {
    match kind {
        Forgery::Unsigned => "unsigned",
        Forgery::WrongSecret => "wrong-secret",
        Forgery::Altered => "altered",
        Forgery::Stale => "stale",
        Forgery::WrongMode => "wrong-mode",
        Forgery::Truncated => "truncated",
        Forgery::EmptySignature => "empty-signature",
    }
}
