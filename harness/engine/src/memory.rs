//! Peak memory of the harness and of the instances, as the system counts it.

use std::time::Duration;

use overdraft_model::evidence::Memory;
use tokio_util::sync::CancellationToken;

use crate::provision::Fleet;

/// How often the instances are looked at: one that is killed takes its peak with it.
const EVERY: Duration = Duration::from_millis(200);

/// Watches until told to end. None where the system does not tell.
pub(crate) async fn watch(fleet: Fleet, end: CancellationToken) -> Option<Memory> {
    let mut service_kib = 0;
    loop {
        let peaks = fleet.pids().await.into_iter().filter_map(|pid| peak_kib(&pid.to_string()));
        service_kib = peaks.fold(service_kib, u64::max);
        if end.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return peak_kib("self").map(|harness_kib| Memory { harness_kib, service_kib });
        }
    }
}

/// The most memory that a process ever held, in KiB (`VmHWM` of Linux): of its id, or of `self`. None where the system
/// does not tell.
#[must_use]
pub fn peak_kib(process: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_knows_its_own_peak_and_a_stranger_has_none() {
        let kept = std::hint::black_box(vec![1_u8; 32 << 20]);
        let peak = peak_kib("self").unwrap();
        assert!(peak >= (kept.len() >> 10) as u64, "{peak}");
        assert_eq!(peak_kib("0"), None);
    }
}
