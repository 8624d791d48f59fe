//! Arithmetic with credits: rounding, expiry, and what is owed.

use super::planted::Change::{In, Sql};
use super::planted::{Family, Planted};

pub(super) const FAMILY: Family = Family { title: "Money arithmetic", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "commission-rounded-up",
        wrong: "A partner's commission is rounded up to whole credits instead of down: each sale whose price the \
                percentage does not divide pays a credit too much.",
        incident: "Audit finding: commission errors of one unit per sale, in the same direction every time.",
        caught_by: "purchase.atomic",
        scenario: "CF-01",
        overlay: &[In {
            function: "buy_leads",
            replace: "array_agg(price * p_percent / 100)",
            with: "array_agg((price * p_percent + 99) / 100)",
        }],
        parts: &[],
    },
    Planted {
        name: "credits-expire-twice",
        wrong: "The sweep of expired credits moves them out of the balance and does not close the lot: the next sweep \
                moves them again, out of credits that have not expired.",
        incident: "Audit finding: loyalty points that were expired by two jobs on one night.",
        caught_by: "credits.conserved",
        scenario: "credit-expiry",
        overlay: &[
            Sql("ALTER TABLE lots DROP CONSTRAINT lots_check"),
            In { function: "expire_wallet", replace: "SET remaining = 0, expired =", with: "SET expired =" },
        ],
        parts: &[],
    },
    Planted {
        name: "expired-credits-spent",
        wrong: "Credits count until the sweep has come by, not until they expire: when it is late, or has just begun, \
                they are spent.",
        incident: "Audit finding: balances valid 'until the nightly job', and a job that had stopped for a week.",
        caught_by: "flow.expected",
        scenario: "credit-expiry",
        overlay: &[
            In { function: "spendable", replace: " AND open AND expires_at > p_now", with: " AND open" },
            In { function: "take_from_lots", replace: " AND open AND expires_at > p_now", with: " AND open" },
        ],
        parts: &[],
    },
    Planted {
        name: "clawback-drops-debt",
        wrong: "When a payment is refunded, what its buyer has spent by then is let go: only the credits that are \
                still there are taken back, and nothing is owed.",
        incident: "elizaOS 10920: buy, spend, ask for the money back.",
        caught_by: "flow.expected",
        scenario: "CF-17",
        overlay: &[In {
            function: "take_back",
            replace: "p_credits, v_left, v_expired,",
            with: "p_credits - v_left, 0, v_expired,",
        }],
        parts: &[],
    },
];
