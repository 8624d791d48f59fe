//! The golden stories: for each check one that is fine and one that it must catch. They are written to
//! `fixtures/histories` by `OVERDRAFT_BLESS=1 cargo test -p overdraft-checkers golden` and read back from there.

use overdraft_model::{
    evidence::{StatusRow, Tenancy, Violations},
    fault::Fault,
    history::Body,
    operation::{Answer, Forgery, Operation, Outcome},
    promises::Invariant,
    release::Release,
    scenario::Workload,
    span::Span,
};

use crate::shop::{Shop, buy, told};
use serde_json::json;

/// What one check must call good and what it must catch.
pub struct Story {
    pub check: &'static str,
    pub good: Shop,
    pub bad: Shop,
    /// Other checks from whose side the same truth is seen.
    pub also: &'static [&'static str],
}

pub fn all() -> Vec<Story> {
    vec![
        conserved(),
        never_negative(),
        capacity(),
        atomic(),
        at_most_once(),
        durable(),
        delivered(),
        regresses(),
        order_free(),
        authentic(),
        linearizable(),
        serial(),
        sessions(),
        expected(),
        isolated(),
        limits(),
        invariant(),
        errors(),
        latency(),
        recovers(),
        exercised(),
    ]
}

fn story(check: &'static str, also: &'static [&'static str], play: impl Fn(&mut Shop, bool)) -> Story {
    let told = |bad| {
        let mut shop = Shop::open(&[check]);
        play(&mut shop, bad);
        shop.close();
        shop
    };
    Story { check, good: told(false), bad: told(true), also }
}

/// Bad: a webhook delivered twice grants twice, in one row of twice the credits.
fn conserved() -> Story {
    story("credits.conserved", &[], |shop, bad| {
        let session = shop.orders("buyer-2", 300, "order-1");
        let event = shop.pays("buyer-2", &session);
        shop.grants("buyer-2", &session, if bad { 600 } else { 300 }, "g-order-1");
        shop.delivers(&event, &session, None, 200);
        shop.delivers(&event, &session, None, 200);
        shop.buys("buyer-2", "lead-2", "spend-1");
    })
}

/// Bad: a view without security_invoker shows every tenant's purchases.
fn isolated() -> Story {
    let probe = |outcome: &str| {
        json!({ "role": "app", "object": "purchases_view", "operation": "select", "outcome": outcome,
                "statement": "SELECT * FROM purchases_view", "seen": "rows" })
    };
    let leak = json!({ "severity": "leak", "kind": "plain-view", "object": "purchases_view",
        "what": "it runs with the rights of its owner, so every tenant reads all rows",
        "shown": "2 rows of another tenant", "remedy": "create it WITH (security_invoker = true)" });
    story("tenants.isolated", &[], move |shop, bad| {
        shop.buys("buyer-2", "lead-2", "second");
        let (probes, findings) = match bad {
            true => (vec![probe("leaked")], vec![leak.clone()]),
            false => (vec![probe("held")], vec![]),
        };
        let report = json!({ "format": 1, "database": "shop", "server": "15", "login": "owner", "limits": [],
            "tenant_column": "workspace_id", "enter": "set_config", "roles": [], "objects": [], "probes": probes,
            "findings": findings, "declared": {} });
        shop.evidence.tenancy = Some(Tenancy::Probed(serde_json::from_value(report).unwrap()));
    })
}

/// Bad: the second buyer of an exclusive lead is told that it lacks credits.
fn expected() -> Story {
    let flow = json!({
        "given": {},
        "when": [
            { "say": "three race for one lead", "do": "race",
              "operations": [{ "f": "purchase", "workspace": "buyer-{n}", "leads": ["flash-1"], "key": "race-{n}" }],
              "count": 3,
              "answers": [{ "outcome": "ok", "is": 1 }, { "code": "lead_sold_out", "is": 2 }] },
            { "say": "another buyer comes late", "do": "ask", "as": "late",
              "operation": { "f": "purchase", "workspace": "buyer-2", "leads": ["flash-1"], "key": "late" },
              "answer": { "status": [409], "code": "lead_sold_out" } },
        ],
        "then": [
            { "say": "it was sold once", "that": "sold", "of": "flash-1", "is": 1 },
            { "say": "the late one has all its credits", "that": "balance", "of": "buyer-2", "at_least": 500 },
        ],
    });
    story("flow.expected", &["history.linearizable"], move |shop, bad| {
        shop.scenario().workload = Workload::Flow(serde_json::from_value(flow.clone()).unwrap());
        shop.event(Body::Step { step: 0, operations: vec![1, 2, 3] });
        let op = shop.ask(2, buy("buyer-2", &["flash-1"], "late"));
        match bad {
            true => shop.fail(op, 402, "insufficient_credits"),
            false => shop.fail(op, 409, "lead_sold_out"),
        }
        shop.event(Body::Step { step: 1, operations: vec![op] });
    })
}

/// Bad: six purchases of 100 from 500. The books add up all the same.
fn never_negative() -> Story {
    story("credits.never-negative", &["history.linearizable"], |shop, bad| {
        for number in 1..=if bad { 6 } else { 5 } {
            let lead = format!("drain-{number}");
            let mut offered = shop.manifest.scenarios[0].world.leads[1].clone();
            let mut stored = shop.evidence.database.leads.as_ref().unwrap()[1].clone();
            (offered.name, stored.lead) = (lead.clone(), lead.clone());
            shop.manifest.scenarios[0].world.leads.push(offered);
            shop.evidence.database.leads.as_mut().unwrap().push(stored);
            shop.buys("buyer-2", &lead, &format!("drain-{number}"));
        }
    })
}

/// Bad: a second buyer of the exclusive lead, counted and paid like the first.
fn capacity() -> Story {
    story("leads.capacity", &["history.linearizable"], |shop, bad| {
        shop.buys("buyer-2", "lead-2", "second");
        if bad {
            shop.buys("buyer-2", "flash-1", "late");
        }
    })
}

/// Bad: the purchase failed after its debit, and the debit stayed.
fn atomic() -> Story {
    story("purchase.atomic", &["credits.conserved", "history.linearizable"], |shop, bad| {
        let op = shop.ask(2, buy("buyer-2", &["lead-2"], "half"));
        shop.lost(op);
        if bad {
            shop.transfer("t-half", &[("buyer-2", -100), ("platform", 100)]);
        }
        shop.buys("buyer-3", "lead-2", "whole");
    })
}

/// Bad: the answer to a confirmation email was lost and it was sent again under another key.
fn at_most_once() -> Story {
    story("effects.at-most-once", &[], |shop, bad| {
        shop.buys("buyer-2", "lead-2", "click");
        shop.evidence.email.accepted.last_mut().unwrap().answer_lost = true;
        if bad {
            shop.email("buyer-2", "confirm-click", "2", false);
        }
    })
}

/// Bad: a purchase was answered ok before the commit, which never came.
fn durable() -> Story {
    story("acknowledged.durable", &[], |shop, bad| {
        shop.buys("buyer-2", "lead-2", "kept");
        if bad {
            let op = shop.ask(3, buy("buyer-3", &["lead-3"], "gone"));
            shop.answer(op, Outcome::Ok, told(201, json!({ "purchase": "p-gone", "balance": 400 })));
        }
    })
}

/// Bad: the webhook of a paid session was answered 2xx and forgotten.
fn delivered() -> Story {
    story("paid.delivered", &[], |shop, bad| {
        let session = shop.orders("buyer-2", 300, "order-1");
        let event = shop.pays("buyer-2", &session);
        if !bad {
            shop.grants("buyer-2", &session, 300, "g-order-1");
        }
        shop.delivers(&event, &session, None, 200);
    })
}

/// Bad: an unsigned webhook for a session that nobody paid was believed.
fn authentic() -> Story {
    story("webhooks.authentic", &["credits.conserved"], |shop, bad| {
        let session = shop.orders("buyer-2", 300, "order-1");
        for (number, forgery) in Forgery::ALL.into_iter().enumerate() {
            let status = if forgery == Forgery::WrongMode { 200 } else { 400 };
            shop.delivers(&format!("evt_forged_{number}"), &session, Some(forgery), status);
        }
        if bad {
            shop.delivers("evt_forged_9", &session, Some(Forgery::Unsigned), 200);
            shop.grants("buyer-2", &session, 300, "g-forged");
        }
    })
}

/// Bad: a late event sets a paid order back to processing.
fn regresses() -> Story {
    story("status.never-regresses", &[], |shop, bad| {
        shop.states("order", "operation = 'read-order'");
        let session = shop.tops_up("buyer-2", 300, "order-1");
        for status in ["pending", "paid", if bad { "processing" } else { "paid" }] {
            shop.reads("read-order", "buyer-2", &session, status);
        }
        let row = StatusRow { kind: "order".into(), subject: session, place: 1, status: "paid".into() };
        shop.evidence.database.statuses = Some(vec![row]);
    })
}

/// Bad: the payment whose last event was the first to come is left in processing.
fn order_free() -> Story {
    story("webhooks.order-free", &[], |shop, bad| {
        shop.states("order", "operation = 'read-order'\ncaptured_as = 'session'");
        let mut rows = Vec::new();
        for (number, order) in [[0, 1], [0, 1], [1, 0]].into_iter().enumerate() {
            let who = format!("buyer-{}", number + 1);
            let session = shop.orders(&who, 300, &format!("order-{number}"));
            let first = shop.pays(&who, &session);
            let second = shop.tells(&session, "charge.succeeded");
            shop.grants(&who, &session, 300, &format!("g-order-{number}"));
            for at in order {
                let event = [&first, &second][at].clone();
                shop.delivers(&event, &session, None, 200);
            }
            let status = if bad && order == [1, 0] { "processing" } else { "paid" };
            rows.push(StatusRow { kind: "order".into(), subject: session, place: 1, status: status.into() });
        }
        shop.evidence.database.statuses = Some(rows);
    })
}

/// Bad: each instance lets in as many as the limit says.
fn limits() -> Story {
    story("limits.enforced", &[], |shop, bad| {
        shop.limits("reads", "operations = ['read-balance']\nrequests = 5", "buyer-2");
        for number in 0..if bad { 10 } else { 7 } {
            let op = shop.ask(2, Operation::ReadBalance { workspace: "buyer-2".into() });
            match number < 5 || bad {
                true => shop.answer(op, Outcome::Ok, told(200, json!({ "balance": 500 }))),
                false => shop.fail(op, 429, "rate_limited"),
            }
        }
        // The reads that end every run come out of the same budget.
        shop.wait(60_000);
    })
}

/// Bad: the target's own query finds an order that is larger than the money for it.
fn invariant() -> Story {
    story("invariant.orders-have-their-money", &[], |shop, bad| {
        shop.manifest.stated.invariants.push(Invariant {
            name: "orders-have-their-money".into(),
            sql: "SELECT id FROM orders WHERE credits * 10 > cents".into(),
            reason: Some("a credit costs 10 cents".into()),
        });
        shop.buys("buyer-2", "lead-2", "second");
        let rows = if bad { vec![json!({ "id": 7 })] } else { vec![] };
        let found = Violations::Found { total: rows.len() as u64, rows };
        shop.evidence.invariants.insert("orders-have-their-money".into(), found);
    })
}

/// Bad: another client of the same workspace reads the balance from a copy that lags behind. Each of the two sees
/// time go forward, and together they see it go back.
fn linearizable() -> Story {
    story("history.linearizable", &[], |shop, bad| {
        shop.buys("buyer-2", "lead-2", "seen");
        for balance in [if bad { 500 } else { 400 }, 400] {
            let op = shop.ask(12, Operation::ReadBalance { workspace: "buyer-2".into() });
            shop.answer(op, Outcome::Ok, told(200, json!({ "balance": balance })));
        }
    })
}

/// Bad: of two that want the last of one lead, both are refused: the one that wants another beside it too.
fn serial() -> Story {
    story("races.serial", &[], |shop, bad| {
        shop.buys("buyer-1", "lead-3", "first");
        let one = shop.ask(2, buy("buyer-2", &["lead-3"], "one"));
        let both = shop.ask(3, buy("buyer-3", &["lead-2", "lead-3"], "both"));
        shop.race("lead-3", &[one, both]);
        if bad {
            shop.fail(one, 409, "busy");
        } else {
            shop.sell("buyer-2", "lead-3", "one");
            shop.ok(one, "buyer-2", "p-one");
        }
        shop.fail(both, 409, "lead_sold_out");
    })
}

/// Bad: the client that bought reads the old balance.
fn sessions() -> Story {
    story("sessions.consistent", &["history.linearizable"], |shop, bad| {
        shop.buys("buyer-2", "lead-2", "mine");
        for balance in [400, if bad { 500 } else { 400 }] {
            let op = shop.ask(2, Operation::ReadBalance { workspace: "buyer-2".into() });
            shop.answer(op, Outcome::Ok, told(200, json!({ "balance": balance })));
        }
    })
}

/// Bad: one purchase in five was answered 500.
fn errors() -> Story {
    story("errors.purchase", &[], |shop, bad| {
        shop.scenario().thresholds.insert("errors.purchase".into(), "rate<0.1".into());
        shop.buys("buyer-2", "lead-2", "fine");
        let op = shop.ask(3, buy("buyer-3", &["lead-3"], "shaky"));
        match bad {
            true => shop.answer(op, Outcome::Info, Answer { status: Some(500), ..Answer::default() }),
            false => shop.fail(op, 400, "invalid_request"),
        }
    })
}

/// Bad: the purchase itself was quick, but its client had to wait 800 ms for its turn.
fn latency() -> Story {
    story("latency.purchase", &[], |shop, bad| {
        shop.scenario().thresholds.insert("latency.purchase".into(), "p(95)<500".into());
        let waited = if bad { 800 } else { 80 };
        shop.wait(waited);
        let op = shop.ask(2, buy("buyer-2", &["lead-2"], "queued"));
        if let Some(Body::Invoke { intended, .. }) = shop.events.last_mut().map(|event| &mut event.body) {
            *intended -= waited * 1_000_000;
        }
        shop.sell("buyer-2", "lead-2", "queued");
        shop.ok(op, "buyer-2", "p-queued");
    })
}

/// Bad: the database came back, the service did not.
fn recovers() -> Story {
    story("target.recovers", &[], |shop, bad| {
        let fault = Fault::BackendsTerminated { every: Span::from_ms(500) };
        shop.plans(fault.clone());
        shop.event(Body::Inject { fault: 0, what: fault });
        shop.event(Body::Health { fault: Some(0), ready: true, waited_ms: 1 });
        shop.wait(1_000);
        shop.event(Body::Heal { fault: 0, effects: 7 });
        shop.event(Body::Health { fault: Some(0), ready: !bad, waited_ms: if bad { 10_000 } else { 40 } });
        shop.event(Body::Health { fault: None, ready: !bad, waited_ms: if bad { 20_000 } else { 1 } });
    })
}

/// Bad: the racers came one after the other, and the fault never took effect.
fn exercised() -> Story {
    let play = |bad: bool| {
        let mut shop = if bad { Shop::closed(&["leads.capacity"]) } else { Shop::open(&["leads.capacity"]) };
        shop.plans(Fault::EmailDown {});
        shop.event(Body::Inject { fault: 0, what: Fault::EmailDown {} });
        if bad {
            let first = shop.buys("buyer-1", "flash-1", "race-1");
            let late: Vec<u64> =
                (2..=3).map(|n| shop.ask(n, buy(&format!("buyer-{n}"), &["flash-1"], &format!("race-{n}")))).collect();
            late.iter().for_each(|op| shop.fail(*op, 409, "lead_sold_out"));
            shop.event(Body::Race {
                name: "flash-1".into(),
                operations: vec![first, late[0], late[1]],
                planned: 3,
                spread: 0,
                release: Release::LastByte,
                apart: None,
            });
        }
        let op = shop.ask(2, Operation::ReadLead { workspace: "buyer-2".into(), lead: "flash-1".into() });
        shop.answer(op, Outcome::Ok, told(200, json!({ "sold_count": 1 })));
        shop.event(Body::Heal { fault: 0, effects: if bad { 0 } else { 3 } });
        shop.close();
        shop
    };
    Story { check: "run.exercised", good: play(false), bad: play(true), also: &[] }
}
