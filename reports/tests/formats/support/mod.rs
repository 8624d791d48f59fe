//! Sample verdicts: small ones for snapshots, a realistic one to look at, a huge and a hostile one.

mod extreme;
mod measured;
mod realistic;

use overdraft_model::{manifest::Provenance, verdict::*};

pub use self::{
    extreme::{hostile, huge},
    realistic::{baseline, realistic},
};

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
