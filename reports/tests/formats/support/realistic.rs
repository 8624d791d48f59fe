//! A whole run as a reviewer would meet it, and an earlier one to compare it with.

use overdraft_model::verdict::*;

use super::{
    check, invalid, line,
    measured::{measured, operation},
    oversold, stake, unknown, valid,
};

pub fn credited_twice() -> Finding {
    Finding {
        summary: "buyer-004 paid 49.00 EUR once (cs_0012) and was credited 100 credits twice: 100 credits from nothing"
            .into(),
        stake: Some(stake("credits-from-nothing", 100, "credits from nothing")),
        story: vec![
            line(40, 4, 812_000, Some(840_100), "buyer-004 orders 100 credits (key k-40)", "ok", "201 session=cs_0012"),
            line(41, 4, 845_000, Some(846_700), "buyer-004 pays cs_0012", "ok", "200"),
            line(
                44,
                900,
                861_020,
                None,
                "Stripe delivers checkout.session.completed evt_0031 for cs_0012",
                "info",
                "no answer: timed out after 5 s",
            ),
            line(
                45,
                901,
                861_090,
                Some(893_400),
                "Stripe delivers checkout.session.completed evt_0031 for cs_0012",
                "ok",
                "200",
            ),
            line(
                51,
                902,
                6_861_020,
                Some(6_870_313),
                "Stripe delivers checkout.session.completed evt_0031 for cs_0012, attempt 2",
                "ok",
                "200",
            ),
            line(77, 4, 9_100_000, Some(9_102_900), "buyer-004 reads its balance", "ok", "200 balance=200"),
        ],
        rows: vec![
            "entries  e-118  buyer-004  +100  grant cs_0012  evt_0031".into(),
            "entries  e-120  buyer-004  +100  grant cs_0012  evt_0031".into(),
            "provider cs_0012  paid once  49.00 EUR".into(),
        ],
    }
}

fn storm_checks() -> Vec<CheckVerdict> {
    let (valid, invalid, unknown) = (Validity::Valid, Validity::Invalid, Validity::Unknown);
    let mut checks = vec![
        check(
            "credits.conserved",
            invalid,
            "each balance = granted + earned - spent - reversed, and the ledger sums to zero",
            "2 of 41 accounts hold 200 credits too many",
            1_816,
        ),
        check("credits.never-negative", valid, "no balance below zero, ever", "lowest balance seen was 0", 2_020),
        check(
            "leads.capacity",
            invalid,
            "sold <= allowed for every lead; an exclusive lead has one owner",
            "1 of 24 leads was sold more often than allowed",
            2_871,
        ),
        check(
            "purchase.atomic",
            valid,
            "a debit, a purchase, a commission and a confirmation, or none of them",
            "2,873 of 2,873 purchases are whole",
            2_873,
        ),
        check(
            "effects.at-most-once",
            invalid,
            "one effect per idempotency key, payment, event, refund, email and commission",
            "evt_0031 and evt_0077 took effect twice",
            4_410,
        ),
        check(
            "acknowledged.durable",
            valid,
            "what was answered ok is there at the end, what was answered fail is not",
            "4,545 answers confirmed, 113 open ones resolved",
            4_658,
        ),
        check(
            "paid.delivered",
            valid,
            "everything paid for arrives within 20 s of healing",
            "240 of 240 payments credited after 6.4 s",
            240,
        ),
        check("status.never-regresses", unknown, "statuses only move forward", "no status was ever read twice", 0),
        check(
            "webhooks.authentic",
            valid,
            "forged, stale and foreign events change nothing",
            "55 of 55 refused, nothing changed",
            55,
        ),
        check("tenants.isolated", unknown, "", "", 0),
        check(
            "latency.purchase",
            invalid,
            "no answer is slower than the limit allows",
            "p(99)<2000 ms: it was 2310.7 ms over 3334 samples",
            3_334,
        ),
        check(
            "errors",
            valid,
            "unexpected answers stay within the limit",
            "rate<0.05: 113 unexpected answers in 5118 operations",
            5_118,
        ),
        check(
            "run.exercised",
            valid,
            "races overlap, each fault takes effect, enough operations end",
            "23 of 24 races overlapped, 131 in flight",
            24,
        ),
    ];
    checks[9].skipped = Some("the target has a single workspace per installation".into());
    let mut second = credited_twice();
    second.summary =
        "buyer-031 paid 49.00 EUR once (cs_0040) and was credited 100 credits twice: 100 credits from nothing".into();
    checks[0].findings = vec![credited_twice(), second.clone()];
    checks[2].findings = vec![oversold()];
    checks[4].findings = vec![credited_twice(), second];
    checks
}

/// A whole run as a reviewer would meet it.
pub fn realistic() -> Verdict {
    let mut verdict = invalid();
    let money = |oversold, nothing| {
        vec![
            stake("credits-from-nothing", nothing, "credits from nothing"),
            stake("leads-oversold", oversold, "leads oversold"),
            stake("credits-lost", 0, "credits lost"),
            stake("payments-undelivered", 0, "payments not delivered"),
            stake("emails-doubled", 0, "emails sent twice"),
        ]
    };
    verdict.cause = "2 payments were credited twice and 1 exclusive lead was sold twice: 200 credits from nothing (credits.conserved and 3 more, webhook-storm)".into();
    verdict.money = money(1, 200);
    verdict.provenance.defect = Some("webhook-check-then-insert".into());
    verdict.provenance.replay = "overdraft run webhook-storm --target fixtures/targets/reference.toml --defect webhook-check-then-insert --seed 8675309".into();
    let calm = ScenarioVerdict { measured: measured(), ..valid().scenarios.remove(0) };
    let storm = ScenarioVerdict {
        scenario: "webhook-storm".into(),
        title: "Webhooks come twice, late, reordered and forged".into(),
        validity: Validity::Invalid,
        money: money(1, 200),
        checks: storm_checks(),
        reconciliation: None,
        measured: measured(),
    };
    let mut lonely = unknown().scenarios.remove(0);
    lonely.scenario = "email-outage".into();
    lonely.title = "The email provider is down".into();
    verdict.scenarios = vec![storm, calm, lonely];
    verdict
}

/// An earlier run of [`realistic`], before something broke and slowed down.
pub fn baseline() -> Verdict {
    let mut verdict = realistic();
    verdict.validity = Validity::Valid;
    verdict.provenance.run = "2026-03-13T17-02-11-reference".into();
    verdict.provenance.started = "2026-03-13T17:02:11Z".into();
    verdict.provenance.configuration = "0".repeat(64);
    let storm = &mut verdict.scenarios[0];
    for check in &mut storm.checks {
        if check.validity == Validity::Invalid {
            check.validity = Validity::Valid;
            check.findings.clear();
        }
    }
    storm.measured.by_operation[0] = operation("purchase", 2_902, 399, 12, 8_900);
    storm.measured.by_operation[3] = operation("deliver-webhook", 610, 55, 2, 13_100);
    verdict
}
