//! Buying leads: what happens between the check and the act.

use futures::future::BoxFuture;
use sqlx::PgPool;

use super::planted::Change::{In, Sql};
use super::planted::{Family, Part, Planted};
use crate::database::retrying;
use crate::seams::{Answer, PurchaseOrder, Purchasing, call_purchase};

pub(super) const FAMILY: Family = Family { title: "Purchases", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "purchase-checks-then-acts",
        wrong: "A purchase reads the balance without a lock, compares it with the price, and then subtracts the \
                price; no constraint keeps the balance from going below zero.",
        incident: "Flexcoin 2014, Starbucks 2015: wallets drained below zero by requests sent at the same instant.",
        caught_by: "credits.never-negative",
        scenario: "wallet-drain",
        overlay: &[
            Sql("ALTER TABLE accounts DROP CONSTRAINT accounts_balance_check;
                 ALTER TABLE lots DROP CONSTRAINT lots_remaining_check"),
            // "Does the customer have enough?" No lock: every request in flight reads the same balance.
            In {
                function: "buy_leads",
                replace: "ORDER BY id FOR NO KEY UPDATE) AS locked;\n    v_buyer",
                with: "ORDER BY id) AS seen;\n    v_buyer",
            },
            In {
                function: "buy_leads",
                replace: "v_taken := take_from_lots(p_member.workspace_id, v_total, p_now);",
                with: "v_taken := spendable(p_member.workspace_id, p_now);",
            },
            // "Then take it." The subtraction itself is right; what it relies on may be over.
            In {
                function: "buy_leads",
                replace: "    UPDATE leads SET sold_count",
                with: "    UPDATE lots SET remaining = remaining - v_total WHERE id = (SELECT id FROM lots
        WHERE workspace_id = p_member.workspace_id ORDER BY expires_at, id LIMIT 1);
    UPDATE leads SET sold_count",
            },
        ],
        parts: &[],
    },
    Planted {
        name: "sold-count-read-then-written",
        wrong: "A purchase reads sold_count without a lock, compares it with max_sales, and later writes what it \
                read plus one, so sales at the same time count as one.",
        incident: "ACIDRain (SIGMOD 2017): 9 of 22 attacks on shops sold more than the inventory held.",
        caught_by: "leads.capacity",
        scenario: "flash-sale",
        overlay: &[
            Sql("ALTER TABLE leads DROP CONSTRAINT leads_capacity_check"),
            In {
                function: "buy_leads",
                replace: "    v_taken bigint;",
                with: "    v_taken bigint;\n    v_sold integer[];",
            },
            In {
                function: "buy_leads",
                replace: "SELECT array_agg(id), array_agg(price),",
                with: "SELECT array_agg(id), array_agg(sold_count), array_agg(price),",
            },
            In { function: "buy_leads", replace: "INTO v_leads, v_prices,", with: "INTO v_leads, v_sold, v_prices," },
            UNLOCKED_LEADS,
            In {
                function: "buy_leads",
                replace: "    UPDATE leads SET sold_count = sold_count + 1 WHERE id = ANY (v_leads);\n",
                with: "",
            },
            // "Mark it as sold": what was read, plus one, over whatever others have written since.
            In {
                function: "buy_leads",
                replace: "    RETURN purchased(",
                with: "    UPDATE leads SET sold_count = seen.sold + 1
    FROM unnest(v_leads, v_sold) AS seen (lead, sold) WHERE leads.id = seen.lead;
    RETURN purchased(",
            },
        ],
        parts: &[],
    },
    Planted {
        name: "ownership-checks-then-acts",
        wrong: "Whether a workspace owns the lead already is read before anything is locked, and no unique key ties \
                it to the lead: requests at the same instant all read 'no'.",
        incident: "Reverb (HackerOne 759247), HackerOne 429026: one thing redeemed or paid out several times at once.",
        caught_by: "effects.at-most-once",
        scenario: "CF-06",
        overlay: &[
            Sql("ALTER TABLE purchase_items DROP CONSTRAINT purchase_items_workspace_id_lead_id_key"),
            UNLOCKED_LEADS,
        ],
        parts: &[],
    },
    Planted {
        name: "debit-before-purchase",
        wrong: "The debit is committed in its own db_tx before the purchase is attempted in another, so a purchase \
                that is then refused, or fails, leaves the buyer charged.",
        incident: "Twilio 2013: cards were charged before the balance was written; 1.4 % of customers paid for nothing.",
        caught_by: "purchase.atomic",
        scenario: "flash-sale",
        overlay: CHARGE_FIRST,
        parts: &[Part::Purchasing(|| Box::new(DebitFirst))],
    },
    Planted {
        name: "partner-balance-read-then-written",
        wrong: "A purchase locks its buyer's wallet only; a partner's balance is read, added to, and written back, so \
                of two sales at the same time one commission is lost from the balance.",
        incident: "ACIDRain (SIGMOD 2017): lost updates of totals under READ COMMITTED, 5 of 22 attacks.",
        caught_by: "credits.conserved",
        scenario: "partner-rush",
        overlay: &[
            In {
                function: "buy_leads",
                replace: "ORDER BY id FOR NO KEY UPDATE) AS locked;\n    v_buyer",
                with: "ORDER BY id) AS seen;\n    PERFORM lock_wallet(p_member.workspace_id);\n    v_buyer",
            },
            In {
                function: "post_transfer",
                replace: "SET balance = accounts.balance + lines.amount\n    FROM lines WHERE",
                with: "SET balance = seen.balance + lines.amount\n    FROM lines, accounts AS seen
    WHERE seen.id = lines.account_id AND",
            },
        ],
        parts: &[],
    },
    Planted {
        name: "refusal-not-rolled-back",
        wrong: "A purchase that is refused for want of credits keeps what it had done by then: the credits that it \
                found are taken, and nothing is bought.",
        incident: "ACIDRain (SIGMOD 2017): orders half done, since the error path forgot what the happy path had written.",
        caught_by: "credits.conserved",
        scenario: "CF-02",
        overlay: &[In {
            function: "purchase",
            replace: "        IF v_answer.status <> 201 THEN
            RAISE EXCEPTION 'refused' USING ERRCODE = 'MK409';
        END IF;
",
            with: "",
        }],
        parts: &[],
    },
    Planted {
        name: "leads-locked-as-listed",
        wrong: "A purchase locks its leads one by one in the order in which the customer listed them, and a deadlock \
                is answered as an error instead of tried again.",
        incident: "Order pages that fail under load with 'deadlock detected', whenever two carts hold the same things.",
        caught_by: "flow.expected",
        scenario: "CF-10",
        overlay: &[
            In { function: "buy_leads", replace: "    v_taken bigint;", with: "    v_taken bigint;\n    v_next uuid;" },
            In {
                function: "buy_leads",
                replace: "    -- Lock 2: the leads, by id.",
                with: "    FOREACH v_next IN ARRAY p_wanted LOOP
        PERFORM 1 FROM leads WHERE id = v_next FOR NO KEY UPDATE;
    END LOOP;
    -- Lock 2: the leads, by id.",
            },
        ],
        parts: &[Part::Purchasing(|| Box::new(Once))],
    },
    Planted {
        name: "retried-under-a-new-key",
        wrong: "A purchase whose answer from the database was lost is tried again under another key, and a workspace \
                may buy a lead as often as it likes.",
        incident: "A retry in the client library repeats a step that is not idempotent: two orders, two charges.",
        caught_by: "effects.at-most-once",
        scenario: "CF-08",
        overlay: &[
            Sql("ALTER TABLE purchase_items DROP CONSTRAINT purchase_items_workspace_id_lead_id_key"),
            In {
                function: "refuse_leads",
                replace: "WHERE workspace_id = p_workspace AND lead_id = ANY (p_found)",
                with: "WHERE false",
            },
        ],
        parts: &[Part::Purchasing(|| Box::new(NewKeys))],
    },
];

const UNLOCKED_LEADS: super::planted::Change = In {
    function: "buy_leads",
    replace: "WHERE id = ANY (p_wanted) ORDER BY id FOR NO KEY UPDATE) AS locked;",
    with: "WHERE id = ANY (p_wanted) ORDER BY id) AS seen;",
};

/// charge() takes the money; what is left of buy_leads() pays the partners out of it.
const CHARGE_FIRST: &[super::planted::Change] = &[
    Sql(include_str!("debit_before_purchase.sql")),
    In {
        function: "buy_leads",
        replace: "    v_taken := take_from_lots(p_member.workspace_id, v_total, p_now);
    IF v_taken < v_total THEN
        RETURN insufficient_credits(p_member.workspace_id, v_total, v_taken, p_request_id, p_public_url);
    END IF;
",
        with: "",
    },
    In {
        function: "buy_leads",
        replace: "PERFORM post_purchase(p_id, v_wallets[v_buyer], v_total, v_partners, v_commissions);",
        with: "PERFORM post_shares(p_id, v_partners, v_commissions);",
    },
];

/// "Charge the customer, then place the order", in two services' db_txs.
struct DebitFirst;

impl Purchasing for DebitFirst {
    fn purchase<'a>(
        &'a self,
        pool: &'a PgPool,
        order: &'a PurchaseOrder,
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>> {
        Box::pin(async move {
            let refused: Option<Answer> = retrying(|| {
                sqlx::query_as("SELECT * FROM charge($1, $2, $3, $4, $5, $6, $7) WHERE status IS NOT NULL")
                    .bind(&order.key_hash)
                    .bind(&order.idempotency_key)
                    .bind(&order.request_hash)
                    .bind(&order.lead_ids)
                    .bind(&order.request_id)
                    .bind(&order.public_url)
                    .bind(order.now)
                    .fetch_optional(pool)
            })
            .await?;
            match refused {
                Some(answer) => Ok(answer),
                None => retrying(move || call_purchase(pool, order)).await,
            }
        })
    }
}

/// "PostgreSQL does not deadlock if you do it right."
struct Once;

impl Purchasing for Once {
    fn purchase<'a>(
        &'a self,
        pool: &'a PgPool,
        order: &'a PurchaseOrder,
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>> {
        Box::pin(call_purchase(pool, order))
    }
}

/// "A new attempt is a new request."
struct NewKeys;

impl Purchasing for NewKeys {
    fn purchase<'a>(
        &'a self,
        pool: &'a PgPool,
        order: &'a PurchaseOrder,
    ) -> BoxFuture<'a, Result<Answer, sqlx::Error>> {
        let mut attempt = 0;
        Box::pin(retrying(move || {
            attempt += 1;
            let mut order = order.clone();
            if attempt > 1 {
                order.idempotency_key += &format!("-{attempt}");
            }
            async move { call_purchase(pool, &order).await }
        }))
    }
}
