//! Idempotency keys: where they are kept, for whom, and for how long.

use super::planted::Change::{In, Sql};
use super::planted::{Family, Planted};

pub(super) const FAMILY: Family = Family { title: "Idempotency keys", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "key-checked-without-lock",
        wrong: "Whether a key was used is looked up before the purchase and written after it, with no lock and no \
                unique row between: requests at the same instant are all the first.",
        incident: "ACIDRain (SIGMOD 2017): 8 of 22 attacks redeemed one voucher several times in the same way.",
        caught_by: "flow.expected",
        scenario: "CF-07",
        overlay: &[
            Sql("ALTER TABLE purchases DROP CONSTRAINT purchases_workspace_id_idempotency_key_key"),
            In {
                function: "answered",
                replace: "    PERFORM pg_advisory_xact_lock(hashtextextended(p_workspace || ':' || p_key, 0));\n",
                with: "",
            },
            In {
                function: "purchase",
                replace: "md5(v_member.workspace_id || ':' || p_key)::uuid",
                with: "gen_random_uuid()",
            },
            In {
                function: "purchase",
                replace: "v_answer.status, v_answer.body);",
                with: "v_answer.status, v_answer.body) ON CONFLICT DO NOTHING;",
            },
        ],
        parts: &[],
    },
    Planted {
        name: "key-shared-across-workspaces",
        wrong: "Keys are looked up without their workspace: who uses a key that another workspace has used is \
                answered with that one's purchase, and buys nothing.",
        incident: "Audit finding: idempotency cache keyed by the header alone, one customer shown another's receipt.",
        caught_by: "acknowledged.durable",
        scenario: "CF-07",
        overlay: &[In {
            function: "answered",
            replace: "WHERE workspace_id = p_workspace AND key = p_key",
            with: "WHERE key = p_key",
        }],
        parts: &[],
    },
    Planted {
        name: "answer-not-stored",
        wrong: "The effect is protected by its key, but the answer is not kept: who repeats a purchase because the \
                answer was lost is told that it was refused.",
        incident: "Checkout pages that say 'failed' after a retry of what had succeeded; customers buy again elsewhere.",
        caught_by: "flow.expected",
        scenario: "CF-07",
        overlay: &[In {
            function: "purchase",
            replace: "    INSERT INTO idempotency_keys (workspace_id, key, request_hash, status, body)
    VALUES (v_member.workspace_id, p_key, p_request_hash, v_answer.status, v_answer.body);
",
            with: "",
        }],
        parts: &[],
    },
    Planted {
        name: "key-forgotten-on-error",
        wrong: "A key is remembered only if its purchase succeeded: the same request is refused at first and, \
                repeated by a library or a proxy much later, carried out after all.",
        incident: "A payment declined, given up by the customer, and taken hours later by a queue that retried it.",
        caught_by: "flow.expected",
        scenario: "CF-07",
        overlay: &[In {
            function: "purchase",
            replace: "    VALUES (v_member.workspace_id, p_key, p_request_hash, v_answer.status, v_answer.body);",
            with: "    SELECT v_member.workspace_id, p_key, p_request_hash, v_answer.status, v_answer.body
    WHERE v_answer.status = 201;",
        }],
        parts: &[],
    },
];
