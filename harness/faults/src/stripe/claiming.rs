//! Refunds and disputes at the provider: who asks for them, what they are capped by, which events they bring.
//!
//! What was refunded and what is disputed never exceeds what was captured. A refund that fails and a dispute
//! that is won or reinstated make room again.

use std::time::Duration;

use overdraft_model::evidence;
use serde_json::{Map, Value};

use super::{
    StripeSim,
    book::{Book, Moment, News},
    claims::{Dispute, Refund, Standing},
    events::Origin,
    intents::{Charge, Charged},
};

/// Why a refund or a dispute is not what was asked for. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// There is no such session, charge, refund or dispute.
    #[error("the provider knows no {0}")]
    Unknown(String),
    /// No money was captured for it.
    #[error("nothing was captured for {0}")]
    Unpaid(String),
    /// More than is left of what was captured, or nothing at all.
    #[error("{asked} were asked for, of {charge} are {left} left that were neither refunded nor disputed")]
    Amount {
        /// `ch_…`.
        charge: String,
        /// What was asked for.
        asked: i64,
        /// What could have been.
        left: i64,
    },
    /// It has come too far, or not far enough.
    #[error("{id} is {status}, so it cannot be {wanted}")]
    State {
        /// The refund or dispute.
        id: String,
        /// Where it stands.
        status: &'static str,
        /// What was asked for.
        wanted: &'static str,
    },
}

/// How a dispute ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// For the merchant.
    Won,
    /// For the customer.
    Lost,
}

/// A refund that somebody wants.
pub(super) struct Wish<'a> {
    pub(super) charge: &'a str,
    /// None for all that is left.
    pub(super) amount: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) metadata: Map<String, Value>,
    pub(super) label: &'a str,
}

impl StripeSim {
    /// Gives back what a session paid, or a part of it, as the merchant would from its dashboard.
    ///
    /// # Errors
    /// Fails where nothing was captured or less is left than asked for.
    pub fn refund(
        &self,
        session: &str,
        amount: Option<i64>,
        label: &str,
        now: Duration,
    ) -> Result<evidence::Refund, ClaimError> {
        let (mut book, moment) = self.open(now);
        let charge = book.charge_of(session)?;
        let label = book.told_apart("refund", label);
        let wish = Wish { charge: &charge, amount, reason: None, metadata: Map::new(), label: &label };
        book.refund(wish, &Origin::default(), &moment).map(|refund| refund.evidence())
    }

    /// The customer's bank sends a refund back: `refund.failed`, and the charge counts it no longer.
    ///
    /// # Errors
    /// Fails where there is no such refund, or it failed before.
    pub fn fail_refund(&self, refund: &str, now: Duration) -> Result<evidence::Refund, ClaimError> {
        let (mut book, moment) = self.open(now);
        book.fail_refund(refund, &moment).map(|refund| refund.evidence())
    }

    /// The customer disputes a payment with its bank. The funds stay until [`StripeSim::withdraw`].
    ///
    /// # Errors
    /// Fails where nothing was captured or less is left than is disputed.
    pub fn dispute(
        &self,
        session: &str,
        amount: Option<i64>,
        label: &str,
        now: Duration,
    ) -> Result<evidence::Dispute, ClaimError> {
        let (mut book, moment) = self.open(now);
        let charge = book.charge_of(session)?;
        let label = book.told_apart("dispute", label);
        book.dispute(&charge, amount, &label, &moment)
    }

    /// The provider takes a dispute's funds, and its fee.
    ///
    /// # Errors
    /// Fails where there is no such dispute, it was won, or its funds were withdrawn before.
    pub fn withdraw(&self, dispute: &str, now: Duration) -> Result<evidence::Dispute, ClaimError> {
        self.step(dispute, "withdrawn", "charge.dispute.funds_withdrawn", now, |dispute, id, created| {
            let possible = dispute.movements.is_empty() && dispute.standing != Standing::Won;
            dispute.withdrawn |= possible;
            dispute.movements.extend(possible.then_some((id, created, false)));
            possible
        })
    }

    /// The provider gives a dispute's funds back.
    ///
    /// # Errors
    /// Fails where there is no such dispute, its funds are not withdrawn, or it was lost.
    pub fn reinstate(&self, dispute: &str, now: Duration) -> Result<evidence::Dispute, ClaimError> {
        self.step(dispute, "reinstated", "charge.dispute.funds_reinstated", now, |dispute, id, created| {
            let possible = dispute.withdrawn && dispute.standing != Standing::Lost;
            dispute.withdrawn &= !possible;
            dispute.movements.extend(possible.then_some((id, created, true)));
            possible
        })
    }

    /// The merchant answers a dispute with evidence: `charge.dispute.updated`.
    ///
    /// # Errors
    /// Fails where there is no such dispute, or it does not wait for an answer.
    pub fn contest(&self, dispute: &str, now: Duration) -> Result<evidence::Dispute, ClaimError> {
        self.step(dispute, "contested", "charge.dispute.updated", now, |dispute, _, _| {
            let possible = dispute.standing == Standing::NeedsResponse;
            if possible {
                dispute.standing = Standing::UnderReview;
            }
            possible
        })
    }

    /// The dispute ends. That moves no money: [`StripeSim::reinstate`] does, before or after.
    ///
    /// # Errors
    /// Fails where there is no such dispute, or it has ended, or it would be lost with its funds reinstated.
    pub fn close(&self, dispute: &str, ruling: Ruling, now: Duration) -> Result<evidence::Dispute, ClaimError> {
        self.step(dispute, "closed so", "charge.dispute.closed", now, |dispute, _, _| {
            let reinstated = !dispute.withdrawn && !dispute.movements.is_empty();
            let open = matches!(dispute.standing, Standing::NeedsResponse | Standing::UnderReview);
            let possible = open && !(ruling == Ruling::Lost && reinstated);
            if possible {
                dispute.standing = match ruling {
                    Ruling::Won => Standing::Won,
                    Ruling::Lost => Standing::Lost,
                };
            }
            possible
        })
    }

    /// Changes a dispute by a step that says whether it was possible, and tells of it.
    fn step(
        &self,
        id: &str,
        wanted: &'static str,
        event_type: &'static str,
        now: Duration,
        change: impl FnOnce(&mut Dispute, String, i64) -> bool,
    ) -> Result<evidence::Dispute, ClaimError> {
        let (mut book, moment) = self.open(now);
        let movement = book.fresh(moment.seed, "txn_1", 23, &[id, event_type]);
        let found = book.disputes.iter_mut().find(|dispute| dispute.id == id);
        let dispute = found.ok_or_else(|| ClaimError::Unknown(format!("dispute {id}")))?;
        if !change(dispute, movement, moment.created) {
            return Err(ClaimError::State { id: id.to_owned(), status: dispute.status(), wanted });
        }
        let dispute = dispute.clone();
        book.tell_of_dispute(&dispute, event_type, &moment);
        Ok(dispute.evidence())
    }
}

impl Book {
    /// The charge that a session was paid by.
    fn charge_of(&self, session: &str) -> Result<String, ClaimError> {
        let checkout = self.checkout(session).ok_or_else(|| ClaimError::Unknown(format!("session {session}")))?;
        let intent = checkout.intent.as_ref().and_then(|intent| self.intents.get(intent));
        intent.and_then(|intent| intent.charge.clone()).ok_or_else(|| ClaimError::Unpaid(session.to_owned()))
    }

    /// What of a charge was captured, and neither refunded nor disputed.
    pub(super) fn left_of(&self, charge: &Charge) -> i64 {
        let disputes = self.disputes.iter().filter(|dispute| dispute.charge == charge.id && dispute.encumbers());
        charge.intent.amount - charge.refunded - disputes.map(|dispute| dispute.amount).sum::<i64>()
    }

    fn claim(&self, id: &str, amount: Option<i64>) -> Result<(Charge, i64), ClaimError> {
        let charge = self.charges.get(id).ok_or_else(|| ClaimError::Unknown(format!("charge {id}")))?;
        if charge.state != Charged::Succeeded {
            return Err(ClaimError::Unpaid(id.to_owned()));
        }
        let left = self.left_of(charge);
        let asked = amount.unwrap_or(left);
        if asked < 1 || asked > left {
            return Err(ClaimError::Amount { charge: id.to_owned(), asked, left });
        }
        Ok((charge.clone(), asked))
    }

    /// Refunds, which succeeds at once, and says so.
    pub(super) fn refund(
        &mut self,
        wish: Wish<'_>,
        origin: &Origin,
        moment: &Moment<'_>,
    ) -> Result<Refund, ClaimError> {
        let (charge, amount) = self.claim(wish.charge, wish.amount)?;
        let refund = Refund {
            id: self.fresh(moment.seed, "re_3", 23, &[wish.label]),
            created: moment.created,
            amount,
            currency: charge.intent.currency,
            charge: charge.id,
            intent: charge.intent.id,
            session: charge.intent.session,
            reason: wish.reason,
            metadata: wish.metadata,
            failed: false,
            referenced: false,
            label: wish.label.to_owned(),
        };
        self.tell_of_refund(&refund, "refund.created", origin, moment);
        if let Some(charge) = self.charges.get_mut(&refund.charge) {
            charge.refunded += amount;
            let (session, object) = (refund.session.as_deref(), charge.to_json());
            let (label, event_type, origin) = (refund.label.as_str(), "charge.refunded", origin.clone());
            self.issue(News { label, event_type, session, object, origin }, moment);
        }
        let referenced = Refund { referenced: true, ..refund };
        self.tell_of_refund(&referenced, "refund.updated", &Origin::default(), moment);
        self.refunds.push(referenced.clone());
        Ok(referenced)
    }

    fn fail_refund(&mut self, id: &str, moment: &Moment<'_>) -> Result<Refund, ClaimError> {
        let found = self.refunds.iter_mut().find(|refund| refund.id == id);
        let refund = found.ok_or_else(|| ClaimError::Unknown(format!("refund {id}")))?;
        if refund.failed {
            return Err(ClaimError::State { id: id.to_owned(), status: refund.status(), wanted: "failed" });
        }
        refund.failed = true;
        let refund = refund.clone();
        if let Some(charge) = self.charges.get_mut(&refund.charge) {
            charge.refunded -= refund.amount;
        }
        for event_type in ["refund.failed", "refund.updated", "charge.refund.updated"] {
            self.tell_of_refund(&refund, event_type, &Origin::default(), moment);
        }
        Ok(refund)
    }

    fn dispute(
        &mut self,
        charge: &str,
        amount: Option<i64>,
        label: &str,
        moment: &Moment<'_>,
    ) -> Result<evidence::Dispute, ClaimError> {
        let (charge, amount) = self.claim(charge, amount)?;
        let dispute = Dispute {
            id: self.fresh(moment.seed, "du_1", 23, &[label]),
            created: moment.created,
            amount,
            currency: charge.intent.currency,
            charge: charge.id,
            intent: charge.intent.id,
            session: charge.intent.session,
            standing: Standing::NeedsResponse,
            withdrawn: false,
            movements: Vec::new(),
            label: label.to_owned(),
        };
        if let Some(charge) = self.charges.get_mut(&dispute.charge) {
            charge.dispute = Some(dispute.id.clone());
        }
        self.tell_of_dispute(&dispute, "charge.dispute.created", moment);
        self.disputes.push(dispute.clone());
        Ok(dispute.evidence())
    }

    fn tell_of_refund(&mut self, refund: &Refund, event_type: &'static str, origin: &Origin, moment: &Moment<'_>) {
        let (label, session, object) = (refund.label.as_str(), refund.session.as_deref(), refund.to_json());
        self.issue(News { label, event_type, session, object, origin: origin.clone() }, moment);
    }

    fn tell_of_dispute(&mut self, dispute: &Dispute, event_type: &'static str, moment: &Moment<'_>) {
        let (label, session, object) = (dispute.label.as_str(), dispute.session.as_deref(), dispute.to_json());
        self.issue(News { label, event_type, session, object, origin: Origin::default() }, moment);
    }
}
