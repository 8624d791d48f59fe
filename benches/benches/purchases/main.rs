//! Purchases per second: the reference service over HTTP, held against pgbench calling the same function.
//!
//! Both use the same cluster, the same database and as many connections to it, one after the other in pairs,
//! and take turns in going first. What is told is the ratio: the absolute figures belong to the machine. It
//! is measured twice: with the service's jobs at rest, which leaves nothing but the way over HTTP; and with
//! its worker sending the confirmations meanwhile, during both halves of a pair, as in real life.
//!
//! Users of the service are plain sockets on one thread, as pgbench is one thread: on a small machine a
//! heavier client would be measured instead. `OVERDRAFT_BENCH_LOG=off` leaves out the service's log.

#![expect(clippy::print_stdout, reason = "a bench tells its figures")]

mod pgbench;
mod service;
mod shop;
mod users;
mod wire;

use std::{error::Error, path::Path, sync::Mutex};

use overdraft_engine::{
    keeper::Keeper,
    provision::postgres::{Postgres, PostgresOptions, Way},
};
use pgbench::Pgbench;
use service::{Jobs, Service};
use shop::Shop;

/// Connections to the database, on both sides: the service's default pool.
const CONNECTIONS: usize = 16;
/// Users of the service at the same time.
const USERS: usize = 120;

/// How much is measured.
struct Extent {
    /// Pairs with the jobs at rest, and at work.
    pairs: [usize; 2],
    /// Seconds of each half of a pair.
    seconds: u64,
}

/// One half of a pair.
struct Half {
    purchases: usize,
    per_second: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let wanted = arguments.first().is_none_or(|first| first.starts_with('-') || "purchases".contains(first.as_str()));
    if !wanted || given("--list") {
        return Ok(());
    }
    // As criterion does: without `--bench`, or with `--test`, everything runs once and small.
    let extent = match given("--bench") && !given("--test") {
        true => Extent { pairs: [5, 3], seconds: 3 },
        false => Extent { pairs: [1, 1], seconds: 1 },
    };
    let Some(pgbench) = Pgbench::find() else {
        println!("purchases: skipped: no pgbench");
        return Ok(());
    };
    let folder = tempfile::Builder::new().prefix("overdraft-bench-").tempdir()?;
    log_to(&folder.path().join("service.log"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&extent, &pgbench, folder.path()))
}

/// The service's log as `overdraft serve` writes it: one line of JSON per request.
fn log_to(file: &Path) -> Result<(), Box<dyn Error>> {
    if std::env::var("OVERDRAFT_BENCH_LOG").is_ok_and(|value| value == "off") {
        return Ok(());
    }
    let filter = tracing_subscriber::EnvFilter::try_new("info,sqlx=warn")?;
    let file = Mutex::new(std::fs::File::create(file)?);
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(file).init();
    Ok(())
}

async fn measure(extent: &Extent, pgbench: &Pgbench, folder: &Path) -> Result<(), Box<dyn Error>> {
    let keeper = Keeper::start()?;
    let options = PostgresOptions {
        url: None,
        way: Way::Local,
        image: String::new(),
        cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        scratch: std::env::temp_dir(),
        log: folder.join("postgresql.log"),
    };
    let postgres = match Postgres::start(&options, &keeper).await {
        Ok(postgres) => postgres,
        Err(error) => {
            println!("purchases: skipped: {error}");
            return Ok(());
        }
    };
    println!(
        "\npurchases per second: {USERS} users over HTTP, and pgbench; {CONNECTIONS} connections to the database each"
    );
    for (jobs, pairs) in [(Jobs::AtRest, extent.pairs[0]), (Jobs::AtWork, extent.pairs[1])] {
        let shop = Shop::open(&postgres, jobs.word()).await?;
        let service = Service::start(shop.url(), jobs).await?;
        let done = part(&shop, &service, pgbench, folder, pairs, extent.seconds).await;
        service.stop().await;
        done?;
        shop.close().await?;
    }
    postgres.stop().await;
    Ok(())
}

/// Pairs with the jobs at rest or at work.
async fn part(
    shop: &Shop,
    service: &Service,
    pgbench: &Pgbench,
    folder: &Path,
    pairs: usize,
    seconds: u64,
) -> Result<(), Box<dyn Error>> {
    println!("\njobs {}", service.jobs.word());
    println!("{:>6} {:>9} {:>9} {:>7} {:>9} {:>9}", "pair", "service", "pgbench", "ratio", "p50 ms", "p99 ms");
    let mut phases = (0..).map(|phase| phase * shop::PHASE);
    let mut next = || phases.next().unwrap_or_default();
    // Connections, plans and pages get warm; then every cached plan is made anew for tables with rows in them.
    let mut total = users::drive(&service.address, USERS, next(), 1).await?.purchases;
    total += pgbench.run(shop.url(), folder, CONNECTIONS, next(), 1)?.purchases;
    shop.analyze().await?;
    let mut ratios = Vec::new();
    let mut waits = Vec::new();
    for pair in 0..pairs {
        let ahead =
            if pair % 2 == 1 { Some(pgbench.run(shop.url(), folder, CONNECTIONS, next(), seconds)?) } else { None };
        let mut driven = users::drive(&service.address, USERS, next(), seconds).await?;
        let bench = match ahead {
            Some(bench) => bench,
            None => pgbench.run(shop.url(), folder, CONNECTIONS, next(), seconds)?,
        };
        total += driven.purchases + bench.purchases;
        let ratio = driven.per_second() / bench.per_second;
        driven.micros.sort_unstable();
        let (p50, p99) = (percentile(&driven.micros, 0.50), percentile(&driven.micros, 0.99));
        println!(
            "{:>6} {:>9.0} {:>9.0} {ratio:>7.2} {p50:>9.1} {p99:>9.1}",
            pair + 1,
            driven.per_second(),
            bench.per_second
        );
        ratios.push(ratio);
        waits.extend(driven.micros);
    }
    shop.audit(total).await?;
    ratios.sort_unstable_by(f64::total_cmp);
    waits.sort_unstable();
    let (least, median, most) = (ratios[0], ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
    println!("ratio service / pgbench: min {least:.2}, median {median:.2}, max {most:.2} of {pairs}");
    println!(
        "latency at {USERS} users: p50 {:.1} ms, p99 {:.1} ms",
        percentile(&waits, 0.50),
        percentile(&waits, 0.99)
    );
    println!("all {total} purchases succeeded; {} confirmations were sent meanwhile", shop.confirmations().await?);
    Ok(())
}

/// A percentile of sorted microseconds, in milliseconds.
fn percentile(sorted: &[u32], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    f64::from(sorted.get(at).copied().unwrap_or_default()) / 1_000.0
}
