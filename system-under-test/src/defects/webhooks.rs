//! Webhooks: who is believed, what is remembered, and what an event is taken to mean.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::PgPool;

use super::planted::Change::{In, Sql};
use super::planted::{Change, Family, Part, Planted};
use crate::seams::{Event, Intake, store_event};
use crate::settings::Settings;
use crate::stripe::signature::{self, SignatureError};

pub(super) const FAMILY: Family = Family { title: "Webhooks", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "webhooks-not-deduplicated",
        wrong: "The webhook handler neither remembers event ids nor ties a grant to its payment, so every delivery of \
                every 'paid' event grants the credits again.",
        incident: "opencode 28402, AutoGPT PR 10672: a retried webhook credits again.",
        caught_by: "effects.at-most-once",
        scenario: "webhook-storm",
        overlay: &[
            EVENTS_REPEAT,
            EVENTS_ARE_STORED_AGAIN,
            In {
                function: "complete_credit_purchase",
                replace: "    IF v_row.status <> 'paid' THEN",
                with: "    IF p_webhook IS NOT NULL THEN",
            },
            GRANTS_ARE_NAMED_AFTER_EVENTS,
        ],
        parts: &[],
    },
    Planted {
        name: "webhooks-deduplicated-in-memory",
        wrong: "Each instance remembers the event ids that it has seen, in memory: the copy of an event that reaches \
                the other instance, or the next one after a restart, grants again.",
        incident: "opencode 28402 once more: the dedupe worked on the developer's one process.",
        caught_by: "effects.at-most-once",
        scenario: "webhook-storm",
        overlay: &[EVENTS_REPEAT, EVENTS_ARE_STORED_AGAIN, EACH_COMPLETION_GRANTS, GRANTS_ARE_NAMED_AFTER_EVENTS],
        parts: &[Part::Intake(|| Box::new(InMemory::default()))],
    },
    Planted {
        name: "webhook-marked-before-effect",
        wrong: "An event is marked as processed, and that is committed, before what it asks for is done: if that \
                fails, nobody comes back to it.",
        incident: "Payments that 'were processed' and granted nothing, found by customers.",
        caught_by: "paid.delivered",
        scenario: "CF-16",
        overlay: &[In {
            function: "webhook_to_process",
            replace: "    RETURN QUERY SELECT",
            with: "    UPDATE webhook_events SET state = 'processed', processed_at = now()
    WHERE webhook_events.id = p_id AND v_attempt IS NOT NULL;
    RETURN QUERY SELECT",
        }],
        parts: &[],
    },
    Planted {
        name: "webhook-answered-before-stored",
        wrong: "A webhook is answered 200 at once and stored behind the answer: if the database is away just then, \
                the provider believes that it was delivered and never comes again.",
        incident: "21 invoice.paid lost within 5 days: acknowledged to Stripe, never written down.",
        caught_by: "paid.delivered",
        scenario: "CF-16",
        overlay: &[],
        parts: &[Part::Intake(|| Box::new(AnswerFirst))],
    },
    Planted {
        name: "webhook-keyed-on-object",
        wrong: "Events are told apart by type and object instead of by their id, and refunds are read from \
                charge.refunded alone: the second refund of a charge is taken for a repetition.",
        incident: "elizaOS 10920: credits that a second partial refund should have taken back stayed spendable.",
        caught_by: "flow.expected",
        scenario: "CF-17",
        overlay: &[
            In {
                function: "receive_webhook",
                replace: "VALUES (p_event_id, p_type, p_payload)",
                with: "VALUES (p_type || ':' || (p_payload #>> '{data,object,id}'), p_type, p_payload)",
            },
            REFUNDS_ARE_READ_FROM_CHARGES,
        ],
        parts: &[],
    },
    Planted {
        name: "three-signals-three-grants",
        wrong: "payment_intent.succeeded, charge.succeeded and checkout.session.completed are each handled once, and \
                each grants the credits.",
        incident: "AutoGPT PR 10672: $160 + $50 became $260, two handlers for one payment.",
        caught_by: "effects.at-most-once",
        scenario: "CF-13",
        overlay: &[
            In {
                function: "complete_credit_purchase",
                replace: "    IF v_row.status <> 'paid' THEN",
                with: "    IF p_webhook IS NOT NULL THEN",
            },
            GRANTS_ARE_NAMED_AFTER_EVENTS,
        ],
        parts: &[],
    },
    Planted {
        name: "unpaid-session-granted",
        wrong: "checkout.session.completed is taken to mean 'paid'; payment_status is not looked at, so a delayed \
                method grants before its money comes, and keeps the credits if it never does.",
        incident: "Credits granted on a session that nobody had paid.",
        caught_by: "credits.conserved",
        scenario: "CF-15",
        overlay: &[In {
            function: "receive_webhook",
            replace: "p_type, p_payload)",
            with: "p_type, CASE p_type WHEN 'checkout.session.completed'
        THEN jsonb_set(p_payload, '{data,object,payment_status}', '\"paid\"') ELSE p_payload END)",
        }],
        parts: &[],
    },
    Planted {
        name: "refund-before-payment-dropped",
        wrong: "Refunds are read from charge.refunded, and one whose payment is not known yet is acknowledged and \
                forgotten, instead of kept until the payment arrives.",
        incident: "razorpay-woocommerce 664: a refund that came before the authorisation was dropped.",
        caught_by: "flow.expected",
        scenario: "CF-14",
        overlay: &[
            REFUNDS_ARE_READ_FROM_CHARGES,
            In {
                function: "complete_credit_purchase",
                replace: "        PERFORM settle_payment(p_payment_intent, p_payment_intent, p_now);\n",
                with: "",
            },
            In {
                function: "settle_event",
                replace: "    IF v_outcome = 'settled' THEN
        PERFORM finish_webhook(p_webhook);
    END IF;
    RETURN v_outcome;",
                with: "    PERFORM finish_webhook(p_webhook);
    RETURN 'settled';",
            },
        ],
        parts: &[],
    },
    Planted {
        name: "payment-status-regresses",
        wrong: "Each event writes the status that it tells: a late 'processing' overwrites 'paid', and a refund then \
                finds nothing to take back.",
        incident: "cashier 1201: a stale 'incomplete' overwrote 'active'.",
        caught_by: "status.never-regresses",
        scenario: "CF-14",
        overlay: &[In {
            function: "note_payment_status",
            replace: "    IF payment_rank(p_status) > payment_rank(v_row.status) THEN
        UPDATE credit_purchases SET status = p_status WHERE id = v_row.id;
    END IF;",
            with: "    UPDATE credit_purchases SET status = p_status WHERE id = v_row.id;",
        }],
        parts: &[],
    },
    Planted {
        name: "signature-not-checked",
        wrong: "The Stripe-Signature header is not looked at: whoever posts that a session was paid is believed.",
        incident: "Audit finding: a webhook endpoint behind an unguessable path, and the path in a public repository.",
        caught_by: "webhooks.authentic",
        scenario: "CF-15",
        overlay: &[],
        parts: &[Part::Intake(|| Box::new(Unchecked))],
    },
    Planted {
        name: "signature-prefix-compared",
        wrong: "Signatures are compared only as far as the given one reaches, so an empty one fits every body.",
        incident: "Audit finding: a comparison of the shorter length, as in strncmp(given, expected, strlen(given)).",
        caught_by: "webhooks.authentic",
        scenario: "CF-15",
        overlay: &[],
        parts: &[Part::Intake(|| Box::new(Prefix))],
    },
    Planted {
        name: "stale-signature-accepted",
        wrong: "The age of a signature is not looked at: an event that somebody recorded can be posted again for ever.",
        incident: "Audit finding: signature verified by hand, without the tolerance of Stripe's own libraries.",
        caught_by: "webhooks.authentic",
        scenario: "CF-15",
        overlay: &[],
        parts: &[Part::Intake(|| Box::new(Ageless))],
    },
    Planted {
        name: "livemode-ignored",
        wrong: "Events of the test mode are carried out in production, and the other way round: a test card buys \
                real credits.",
        incident: "Audit finding: one endpoint registered for both modes, livemode never read.",
        caught_by: "webhooks.authentic",
        scenario: "CF-15",
        overlay: &[],
        parts: &[Part::Intake(|| Box::new(AnyMode))],
    },
];

const REFUNDS_ARE_READ_FROM_CHARGES: Change = In {
    function: "note_refund",
    replace: "    INSERT INTO refunds",
    with: "    PERFORM finish_webhook(p_webhook);
    RETURN 'noted';
    INSERT INTO refunds",
};
const EVENTS_REPEAT: Change = Sql("ALTER TABLE webhook_events DROP CONSTRAINT webhook_events_pkey");
const EVENTS_ARE_STORED_AGAIN: Change = In {
    function: "receive_webhook",
    replace: "    ON CONFLICT (event_id) DO NOTHING RETURNING",
    with: "    RETURNING",
};
const EACH_COMPLETION_GRANTS: Change = In {
    function: "complete_credit_purchase",
    replace: "    IF v_row.status <> 'paid' THEN",
    with: "    IF 'checkout.session.completed' = (SELECT type FROM webhook_events WHERE id = p_webhook) THEN",
};
const GRANTS_ARE_NAMED_AFTER_EVENTS: Change = In {
    function: "complete_credit_purchase",
    replace: "'payment_' || p_payment_intent, p_now,",
    with: "'payment_' || p_payment_intent || '_event_' || p_webhook, p_now,",
};

/// A set of event ids, gone with the process.
#[derive(Default)]
struct InMemory(Mutex<HashSet<String>>);

impl Intake for InMemory {
    fn store<'a>(&'a self, pool: &'a PgPool, event: &'a Event) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        let new = self.0.lock().is_ok_and(|mut seen| seen.insert(event.id.clone()));
        if new { store_event(pool, event).boxed() } else { std::future::ready(Ok(false)).boxed() }
    }
}

/// "Stripe wants an answer fast."
struct AnswerFirst;

impl Intake for AnswerFirst {
    fn store<'a>(&'a self, pool: &'a PgPool, event: &'a Event) -> BoxFuture<'a, Result<bool, sqlx::Error>> {
        let (pool, event) = (pool.clone(), event.clone());
        tokio::spawn(async move {
            if let Err(error) = store_event(&pool, &event).await {
                tracing::error!(%error, event_id = event.id, "event not stored");
            }
        });
        Box::pin(std::future::ready(Ok(true)))
    }
}

/// "Only Stripe knows the address."
struct Unchecked;

impl Intake for Unchecked {
    fn verify(&self, _: &str, _: &[u8], _: &Settings, _: i64) -> Result<(), SignatureError> {
        Ok(())
    }
}

/// Compares as many characters as were given.
struct Prefix;

impl Intake for Prefix {
    fn verify(&self, header: &str, body: &[u8], settings: &Settings, now: i64) -> Result<(), SignatureError> {
        let (timestamp, given) = signature::parse(header).ok_or(SignatureError::Malformed)?;
        let expected = settings.stripe_webhook_secrets.iter().map(|secret| signature::sign(secret, timestamp, body));
        let fits = expected.into_iter().any(|expected| given.iter().any(|given| expected.starts_with(given)));
        let signed_at: i64 = timestamp.parse().map_err(|_| SignatureError::Malformed)?;
        if !fits {
            return Err(SignatureError::NoMatch);
        }
        let young = u64::try_from(now - signed_at).is_ok_and(|age| age <= settings.stripe_tolerance.as_secs());
        if young || signed_at > now { Ok(()) } else { Err(SignatureError::Stale) }
    }
}

/// A signature is valid for ever.
struct Ageless;

impl Intake for Ageless {
    fn verify(&self, header: &str, body: &[u8], settings: &Settings, now: i64) -> Result<(), SignatureError> {
        signature::verify(header, body, &settings.stripe_webhook_secrets, Duration::MAX, now)
    }
}

/// Money is money.
struct AnyMode;

impl Intake for AnyMode {
    fn is_ours(&self, _: bool, _: &Settings) -> bool {
        true
    }
}
