//! What a realistic run measured.

use overdraft_model::{evidence::Memory, release::Release, verdict::*};

use super::extreme::HOSTILE;

/// A waveform instead of random numbers: the same picture every time.
fn wave(n: u64, most: u64) -> u64 {
    (n * 7_919 + n * n * 104_729) % most
}

pub fn timeline(slices: u64, hit: std::ops::Range<u64>) -> Vec<Bucket> {
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

pub fn operation(name: &str, ok: u64, fail: u64, info: u64, p50_us: u64) -> OperationStats {
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

pub fn measured() -> Measurements {
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

fn fault(name: &str, from_ms: Option<u64>, to_ms: Option<u64>, effects: u64) -> FaultStats {
    let recovered_ms = to_ms.map(|_| 40);
    FaultStats { fault: name.into(), from_ms, to_ms, effects, ready_before: from_ms.map(|_| true), recovered_ms }
}
