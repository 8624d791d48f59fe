//! Sample verdicts: small ones for snapshots, a realistic one to look at, a huge and a hostile one.

use overdraft_model::{evidence::Memory, manifest::Provenance, release::Release, verdict::*};

/// What nobody should be able to do to a report: markup, XML, terminal and Markdown in one text.
pub const HOSTILE: &str = "<script>alert(1)</script> \u{1b}[31m\u{0}\u{8}\u{ffff}\u{202e} ]]> | `x` **b** [l](http://evil.example/) \" ' & <img src=//e>\nnew";

fn provenance() -> Provenance {
    Provenance {
        run: "2026-03-14T09-26-53-reference".into(),
        seed: 8_675_309,
        target: "reference".into(),
        configuration: "5f2b7c0f3a0c9e1d8b7a6f5e4d3c2b1a0f9e8d7c6b5a49382716051423324150".into(),
        defect: None,
        started: "2026-03-14T09:26:53Z".into(),
        overdraft: "0.1.0".into(),
        postgresql: "17.4, started by the harness".into(),
        instances: 2,
        host: "Linux 6.8, 8 processors, 16 GiB".into(),
        replay: "overdraft run flash-sale --target fixtures/targets/reference.toml --seed 8675309".into(),
    }
}

fn stake(id: &str, amount: i64, what: &str) -> Stake {
    Stake { id: id.into(), amount, what: what.into() }
}

fn check(id: &str, validity: Validity, expected: &str, observed: &str, evidence: u64) -> CheckVerdict {
    CheckVerdict {
        id: id.into(),
        validity,
        skipped: None,
        expected: expected.into(),
        observed: observed.into(),
        evidence,
        findings: vec![],
    }
}

fn line(
    op: u64,
    process: u64,
    start_us: u64,
    end_us: Option<u64>,
    asked: &str,
    outcome: &str,
    answered: &str,
) -> StoryLine {
    StoryLine { op, process, start_us, end_us, asked: asked.into(), outcome: outcome.into(), answered: answered.into() }
}

fn valid_checks() -> Vec<CheckVerdict> {
    vec![
        check(
            "credits.conserved",
            Validity::Valid,
            "each balance = granted + earned - spent - reversed",
            "41 of 41 accounts add up",
            1_204,
        ),
        check(
            "leads.capacity",
            Validity::Valid,
            "sold <= allowed for every lead",
            "24 of 24 leads within their limit",
            312,
        ),
        check(
            "latency.purchase",
            Validity::Valid,
            "no answer is slower than the limit allows",
            "p(99)<2000 ms: it was 212.4 ms over 1204 samples",
            1_204,
        ),
        check("run.exercised", Validity::Valid, "races overlap, faults take effect", "24 of 24 races overlapped", 24),
    ]
}

fn small(validity: Validity, exit_code: u8, cause: &str, checks: Vec<CheckVerdict>) -> Verdict {
    let money =
        vec![stake("leads-oversold", 0, "leads oversold"), stake("credits-from-nothing", 0, "credits from nothing")];
    Verdict {
        format: 1,
        validity,
        exit_code,
        cause: cause.into(),
        money: money.clone(),
        reconciliation: (validity == Validity::Valid).then(books),
        provenance: provenance(),
        scenarios: vec![ScenarioVerdict {
            scenario: "flash-sale".into(),
            title: "Everybody wants the same lead".into(),
            validity,
            money,
            reconciliation: None,
            checks,
            measured: Measurements {
                operations: 1_204,
                drive_ms: 4_210,
                settle_ms: 640,
                in_flight: 118,
                ..Measurements::default()
            },
        }],
    }
}

/// Books that close.
fn books() -> Reconciliation {
    Reconciliation {
        credits_of: 12_345,
        money: vec![MoneySum { currency: "eur".into(), unexplained: 0, of: 60_000 }],
        emails_of: 41,
        resolved: 11,
        unresolved: 1,
        ..Reconciliation::default()
    }
}

/// Everything held.
pub fn valid() -> Verdict {
    small(Validity::Valid, 0, "all 4 checks of 1 scenario are valid", valid_checks())
}

/// A lead was sold twice.
pub fn invalid() -> Verdict {
    let mut checks = valid_checks();
    checks[1].validity = Validity::Invalid;
    checks[1].observed = "1 of 24 leads was sold more often than allowed".into();
    checks[1].findings = vec![oversold()];
    let mut verdict = small(
        Validity::Invalid,
        1,
        "flash-3 was sold twice though it may be sold once (leads.capacity, flash-sale)",
        checks,
    );
    verdict.money[0].amount = 1;
    verdict.scenarios[0].money[0].amount = 1;
    verdict
}

/// Nothing was broken, but nothing raced either.
pub fn unknown() -> Verdict {
    let mut checks = valid_checks();
    checks[3].validity = Validity::Unknown;
    checks[3].observed = "0 of 24 races overlapped".into();
    checks[3].evidence = 0;
    small(Validity::Unknown, 3, "run.exercised: no two requests were in flight together", checks)
}

/// One check is not promised by the target.
pub fn skipped() -> Verdict {
    let mut checks = valid_checks();
    checks[1].validity = Validity::Unknown;
    checks[1].skipped = Some("this service sells without a limit".into());
    checks[1].observed = String::new();
    checks[1].evidence = 0;
    small(Validity::Valid, 0, "3 of 3 checks of 1 scenario are valid, 1 skipped", checks)
}

/// One of two scenarios is left out by the target.
pub fn left_out() -> Verdict {
    let mut verdict = valid();
    let mut other = verdict.scenarios[0].clone();
    (other.scenario, other.title) = ("CF-20".into(), "More requests than are allowed".into());
    (other.validity, other.measured) = (Validity::Unknown, Measurements::default());
    for check in &mut other.checks {
        check.validity = Validity::Unknown;
        check.skipped = Some("no rate limits".into());
        check.evidence = 0;
    }
    verdict.scenarios.push(other);
    verdict
}

fn oversold() -> Finding {
    Finding {
        summary: "buyer-017 and buyer-042 both paid 25 credits for flash-3, which may be sold once: 1 lead too many, 25 credits to give back".into(),
        stake: Some(stake("leads-oversold", 1, "lead oversold")),
        story: vec![
            line(311, 17, 1_204_118, Some(1_231_950), "buyer-017 buys flash-3 (key k-311)", "ok", "201 purchase=p-88 total=25"),
            line(312, 42, 1_204_203, Some(1_229_004), "buyer-042 buys flash-3 (key k-312)", "ok", "201 purchase=p-89 total=25"),
            line(313, 61, 1_204_260, Some(1_240_777), "buyer-061 buys flash-3 (key k-313)", "fail", "409 sold_out"),
            line(902, 3, 4_850_113, Some(4_853_020), "buyer-003 reads flash-3", "ok", "200 sold_count=2"),
        ],
        rows: vec![
            "leads      flash-3  max_sales=1  sold_count=2".into(),
            "purchases  p-88  flash-3  buyer-017  25 credits".into(),
            "purchases  p-89  flash-3  buyer-042  25 credits".into(),
        ],
    }
}

fn credited_twice() -> Finding {
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

/// A waveform instead of random numbers: the same picture every time.
fn wave(n: u64, most: u64) -> u64 {
    (n * 7_919 + n * n * 104_729) % most
}

fn timeline(slices: u64, hit: std::ops::Range<u64>) -> Vec<Bucket> {
    (0..slices)
        .map(|n| {
            let hit = hit.contains(&n);
            Bucket {
                at_ms: n * 250,
                ok: if hit { 22 + wave(n, 14) } else { 58 + wave(n, 16) },
                fail: 3 + wave(n, 6),
                info: if hit { 4 + wave(n, 7) } else { 0 },
                p50_us: if hit { 42_000 } else { 11_000 } + wave(n, 4_000),
                p99_us: if hit { 900_000 } else { 48_000 } + wave(n, 40_000) * if hit { 9 } else { 1 },
            }
        })
        .collect()
}

fn operation(name: &str, ok: u64, fail: u64, info: u64, p50_us: u64) -> OperationStats {
    OperationStats {
        operation: name.into(),
        ok,
        fail,
        info,
        p50_us,
        p90_us: p50_us * 2,
        p95_us: p50_us * 3,
        p99_us: p50_us * 8,
        max_us: p50_us * 31,
    }
}

fn blow(kind: &str, blow: &str, planned: u64, struck: u64) -> BlowStats {
    BlowStats {
        kind: kind.into(),
        blow: blow.into(),
        planned,
        struck,
        passes: struck * 2,
        acknowledged: struck,
        found_done: struck,
        ..BlowStats::default()
    }
}

fn measured() -> Measurements {
    Measurements {
        operations: 5_118,
        drive_ms: 20_000,
        settle_ms: 6_420,
        in_flight: 131,
        by_operation: vec![
            operation("purchase", 2_871, 402, 61, 14_200),
            operation("buy-credits", 240, 3, 12, 31_000),
            operation("pay", 240, 0, 0, 1_900),
            operation("deliver-webhook", 1_012, 55, 40, 8_800),
            operation("read-balance", 182, 0, 0, 2_350),
        ],
        timeline: timeline(80, 28..52),
        races: (1..=24)
            .map(|n| RaceStats {
                name: format!("flash-{n}"),
                planned: 120,
                took_part: 120 - n % 3,
                spread_us: 420 + wave(n, 900),
                release: Release::LastByte,
                overlapped: if n == 9 { 1 } else { 96 + wave(n, 24) },
                won: 1 + u64::from(n == 3),
            })
            .collect(),
        offsets: vec![
            OffsetStats { apart_us: 0, pairs: 96, both_won: 70, low_permille: 633, high_permille: 808 },
            OffsetStats { apart_us: 1_250, pairs: 8, both_won: 0, low_permille: 0, high_permille: 324 },
        ],
        faults: vec![
            fault("webhook-chaos", Some(0), Some(20_000), 1_377),
            fault("stripe-loses-answers", Some(7_000), Some(13_000), 12),
            fault("email-down", Some(9_000), Some(13_000), 0),
            fault("stripe-errors", None, None, 0),
        ],
        boundaries: vec![
            BoundaryStats {
                operation: "purchase".into(),
                skipped: None,
                boundaries: 5,
                covered: 4,
                blows: vec![
                    blow("statement", "kill-before", 3, 3),
                    blow("commit", "lose-answer", 1, 1),
                    blow("answer", "lose-answer", 1, 0),
                ],
            },
            BoundaryStats {
                operation: "refund".into(),
                skipped: Some(format!("[actions.refund] is not mapped {HOSTILE}")),
                ..BoundaryStats::default()
            },
        ],
        errors: vec![
            ErrorGroup {
                operation: "purchase".into(),
                outcome: "fail".into(),
                status: Some(409),
                code: "sold_out".into(),
                count: 377,
            },
            ErrorGroup {
                operation: "purchase".into(),
                outcome: "fail".into(),
                status: Some(402),
                code: "insufficient_credits".into(),
                count: 25,
            },
            ErrorGroup {
                operation: "purchase".into(),
                outcome: "info".into(),
                status: None,
                code: "timed out after 5 s".into(),
                count: 61,
            },
            ErrorGroup {
                operation: "deliver-webhook".into(),
                outcome: "fail".into(),
                status: Some(400),
                code: "bad_signature".into(),
                count: 55,
            },
            ErrorGroup {
                operation: "deliver-webhook".into(),
                outcome: "info".into(),
                status: None,
                code: "connection reset".into(),
                count: 40,
            },
        ],
        deliveries: DeliveryStats { events: 240, authentic: 1_107, repeated: 867, forged: 55 },
        memory: Some(Memory { harness_kib: 154_000, service_kib: 61_000 }),
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

/// Far more than any report can show: `findings` for each of `checks` in each of `scenarios`.
pub fn huge(scenarios: usize, checks: usize, findings: usize) -> Verdict {
    let mut verdict = realistic();
    let long = "a long tale of credits that went astray ".repeat(11);
    let mut finding = credited_twice();
    finding.story = finding.story.iter().cycle().take(30).cloned().collect();
    finding.rows = vec![long.clone(); 26];
    let mut bad = check("credits.conserved", Validity::Invalid, &long, &long, 1);
    bad.findings = vec![finding; findings];
    let mut scenario = verdict.scenarios.remove(0);
    scenario.checks = vec![bad; checks];
    scenario.measured.timeline = timeline(1_000, 0..9);
    verdict.scenarios = vec![scenario; scenarios];
    verdict
}

/// Words that only the program itself puts there.
const OWN: [&str; 5] = ["valid", "invalid", "unknown", "last-byte", "single-write"];

/// Every text of a verdict replaced by [`HOSTILE`].
pub fn hostile() -> Verdict {
    let mut value = serde_json::to_value(realistic()).unwrap();
    poison(&mut value);
    let mut verdict: Verdict = serde_json::from_value(value).unwrap();
    verdict.provenance.started = "2026-03-14T09:26:53Z".into();
    verdict
}

fn poison(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::String(text) if !OWN.contains(&text.as_str()) => {
            *text = format!("{HOSTILE} {text}");
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(poison),
        serde_json::Value::Object(object) => object.values_mut().for_each(poison),
        _ => {}
    }
}

fn fault(name: &str, from_ms: Option<u64>, to_ms: Option<u64>, effects: u64) -> FaultStats {
    let recovered_ms = to_ms.map(|_| 40);
    FaultStats { fault: name.into(), from_ms, to_ms, effects, ready_before: from_ms.map(|_| true), recovered_ms }
}
