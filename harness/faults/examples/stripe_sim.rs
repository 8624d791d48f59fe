//! Runs the Stripe simulator on its own, to try a client by hand.
//!
//! It prints its address, then reads lines: `pay SESSION` pays a session and prints each delivery that falls
//! due as one line of JSON, with the signature header and the exact body, and counts it as answered 200.
//!
//! `cargo run -p overdraft-faults --example stripe_sim -- whsec_test_secret`

use std::{
    io::{self, BufRead, Write},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use overdraft_faults::stripe::{StripeSettings, StripeSim};
use serde_json::json;

#[tokio::main]
async fn main() -> io::Result<()> {
    let sim = StripeSim::start(StripeSettings {
        seed: 1,
        webhook_secret: std::env::args().nth(1).unwrap_or_else(|| "whsec_test_secret".to_owned()),
        api_version: "2026-10-28.endive".into(),
        retry_compression: 20_000,
        tolerance: std::time::Duration::from_secs(300),
    })
    .await?;
    let began = Instant::now();
    let mut out = io::stdout();
    writeln!(out, "{}", sim.url())?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some(session) = line.strip_prefix("pay ") else { continue };
        if let Err(problem) = sim.pay(session, "by hand", began.elapsed()) {
            writeln!(out, "{}", json!({ "error": problem.to_string() }))?;
            continue;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?.as_secs();
        for outgoing in sim.take_due(began.elapsed()) {
            let signature = sim.sign(&outgoing, i64::try_from(now).map_err(io::Error::other)?);
            let body = String::from_utf8_lossy(&outgoing.body);
            writeln!(out, "{}", json!({ "type": outgoing.event_type, "signature": signature, "body": body }))?;
            sim.delivered(outgoing.id, Some(200), 0, began.elapsed());
        }
        out.flush()?;
    }
    Ok(())
}
