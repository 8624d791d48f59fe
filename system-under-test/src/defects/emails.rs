//! Emails and jobs: what is lost, and what is done again.

use futures::future::BoxFuture;
use sqlx::PgPool;
use uuid::Uuid;

use super::planted::Change::{In, Sql};
use super::planted::{Family, Part, Planted};
use crate::database::retrying;
use crate::email::{Email, Provider, SendError};
use crate::seams::{Answer, Mailer, PurchaseOrder, Purchasing, call_purchase};

pub(super) const FAMILY: Family = Family { title: "Emails and jobs", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "email-failure-swallowed",
        wrong: "The email job catches the provider's error, logs it, and reports success: no retry, no dead letter, no \
                alert.",
        incident: "Confirmations that silently never arrive during an outage of the email provider, while every \
                   dashboard is green.",
        caught_by: "paid.delivered",
        scenario: "email-outage",
        overlay: &[],
        parts: &[Part::Mailer(|provider| Box::new(Swallowing(provider)))],
    },
    Planted {
        name: "email-sent-before-commit",
        wrong: "The confirmation is queued in a db_tx of its own, before the purchase is attempted: who is then refused \
                has a confirmation of what was never bought.",
        incident: "Shops that congratulate hundreds of customers on the last item.",
        caught_by: "flow.expected",
        scenario: "CF-03",
        overlay: &[Sql("
CREATE FUNCTION announce(p_key_hash bytea, p_key text, p_leads uuid[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    v_member members := enter_workspace(p_key_hash);
    v_id uuid := md5(v_member.workspace_id || ':' || p_key)::uuid;
BEGIN
    PERFORM queue_email(v_member.workspace_id, 'purchase_' || v_id, 'purchase_confirmation', v_member.email,
        'Your purchase is confirmed',
        format('You bought %s lead(s). Purchase number: %s.', cardinality(p_leads), v_id));
END $$;
GRANT EXECUTE ON FUNCTION announce(bytea, text, uuid[]) TO marketplace_app")],
        parts: &[Part::Purchasing(|| Box::new(Announcing))],
    },
    Planted {
        name: "email-retried-without-key",
        wrong: "Each attempt to send an email goes under a key of its own, so an email whose answer was lost is sent \
                again.",
        incident: "LaunchNotes: a retry sent the whole batch of emails again.",
        caught_by: "effects.at-most-once",
        scenario: "email-outage",
        overlay: &[],
        parts: &[Part::Mailer(|provider| Box::new(FreshKeys(provider)))],
    },
    Planted {
        name: "dead-letter-dropped",
        wrong: "After the last attempt the work is marked as dead, and that is all: no dead letter to take up again, no \
                alert.",
        incident: "A queue with no dead letters: 21 payments undelivered for 5 days, found by an accountant.",
        caught_by: "paid.delivered",
        scenario: "email-outage",
        overlay: &[In {
            function: "bury",
            replace: "    INSERT INTO dead_letters (kind, subject, target, reason, history)
    VALUES (p_kind, p_subject, p_target, p_reason, p_history);
    PERFORM raise_alert(p_kind, p_subject, p_reason);",
            with: "    RAISE LOG 'gave up % %: %', p_kind, p_subject, p_reason;",
        }],
        parts: &[],
    },
    Planted {
        name: "retried-for-ever",
        wrong: "There is no last attempt: what can never succeed is tried again and again, and nobody is told.",
        incident: "Retry storms: a poisoned message at the head of a queue, and a provider that blocks the sender.",
        caught_by: "flow.expected",
        scenario: "CF-19",
        overlay: &[In {
            function: "attempt_failed",
            replace: "v_retry := NOT p_permanent AND v_attempts < p_max_attempts;",
            with: "v_retry := true;",
        }],
        parts: &[],
    },
    Planted {
        name: "job-lost-on-kill",
        wrong: "A job leaves the queue when a worker takes it, not when it is done: what a worker was at when it died \
                is never taken up again.",
        incident: "In-memory and pop-first queues: emails and grants lost at each deploy.",
        caught_by: "paid.delivered",
        scenario: "worker-killed",
        overlay: &[Sql("
CREATE FUNCTION pop() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM graphile_worker._private_jobs WHERE id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER pop AFTER UPDATE OF locked_at ON graphile_worker._private_jobs FOR EACH ROW
    WHEN (OLD.locked_at IS NULL AND NEW.locked_at IS NOT NULL) EXECUTE FUNCTION pop()")],
        parts: &[],
    },
    Planted {
        name: "job-runs-twice",
        wrong: "The queue hands a job out twice, as queues that promise 'at least once' may; the handler does not look \
                whether it was done, and its key at the provider is new each time.",
        incident: "SQS and Pub/Sub without an idempotent consumer: two of every email on a bad day.",
        caught_by: "effects.at-most-once",
        scenario: "CF-01",
        overlay: &[
            In {
                function: "enqueue",
                replace: "    VALUES ((SELECT id FROM graphile_worker._private_tasks WHERE identifier = p_task),
            p_payload, p_run_at, 25);",
                with: "    SELECT (SELECT id FROM graphile_worker._private_tasks WHERE identifier = p_task),
           p_payload, p_run_at, 25 FROM generate_series(1, 2);",
            },
            In {
                function: "begin_attempt",
                replace: " AND state IN (''pending'', ''received'', ''failed'') FOR NO KEY UPDATE",
                with: " FOR NO KEY UPDATE",
            },
        ],
        parts: &[Part::Mailer(|provider| Box::new(FreshKeys(provider)))],
    },
];

/// "An email must never break anything, so catch it."
struct Swallowing(Provider);

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

/// "Every request needs a unique key, so make one."
struct FreshKeys(Provider);

impl Mailer for FreshKeys {
    fn send<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<Option<String>, SendError>> {
        let email = Email { id: Uuid::new_v4(), ..email.clone() };
        Box::pin(async move { self.0.send(&email).await })
    }
}

/// "The customer should not have to wait for the email."
struct Announcing;

impl Purchasing for Announcing {
    fn purchase<'a>(
        &'a self,
        pool: &'a PgPool,
        order: &'a PurchaseOrder,
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>> {
        Box::pin(async move {
            let announce = || {
                sqlx::query("SELECT announce($1, $2, $3)")
                    .bind(&order.key_hash)
                    .bind(&order.idempotency_key)
                    .bind(&order.lead_ids)
                    .execute(pool)
            };
            retrying(announce).await?;
            retrying(move || call_purchase(pool, order)).await
        })
    }
}
