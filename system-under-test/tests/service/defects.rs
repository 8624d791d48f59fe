//! Each planted defect really misbehaves, in the way its description says.

use futures::future::join_all;
use overdraft_reference::{Defect, migrate};

use crate::payments::storm;
use crate::support::Database;
use crate::world::{Tenant, World};

const AT_ONCE: usize = 120;

fn planted(name: &str) -> Option<Defect> {
    Some(name.parse().unwrap())
}

/// A migration that moves what a defect changes would make it harmless, and the harness look blind.
#[tokio::test]
async fn each_defect_still_fits_the_migrations() {
    for defect in Defect::all() {
        let database = Database::create().await;
        let migrated = migrate(&database.url(), Some(defect)).await;
        assert!(migrated.is_ok(), "{defect}: {}", migrated.unwrap_err());
        database.drop().await;
    }
}

async fn buyers(world: &World) -> Vec<Tenant> {
    let mut buyers = Vec::new();
    for _ in 0..AT_ONCE {
        buyers.push(world.tenant("buyer", 10).await);
    }
    buyers
}

#[tokio::test(flavor = "multi_thread")]
async fn purchase_checks_then_acts_overdraws_a_wallet() {
    let world = World::start(planted("purchase-checks-then-acts")).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 52).await);
    let mut leads = Vec::new();
    for _ in 0..AT_ONCE {
        leads.push(world.lead(&partner, 5, 3).await);
    }
    let keys: Vec<String> = (0..AT_ONCE).map(|n| format!("k{n}")).collect();
    join_all((0..AT_ONCE).map(|n| world.buy(n, &buyer, &keys[n], &leads[n..=n]))).await;
    assert!(world.balance(&buyer).await < 0);
    assert_eq!(world.count("SELECT coalesce(sum(amount), 0)::bigint FROM entries").await, 0);
    assert_eq!(world.get(&buyer, "/health").await.1["defect"], "purchase-checks-then-acts");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sold_count_read_then_written_oversells() {
    let world = World::start(planted("sold-count-read-then-written")).await;
    let partner = world.tenant("partner", 0).await;
    let lead = [world.lead(&partner, 5, 1).await];
    let buyers = buyers(&world).await;
    join_all(buyers.iter().enumerate().map(|(n, buyer)| world.buy(n, buyer, "k", &lead))).await;
    assert!(world.count("SELECT count(*) FROM purchases").await > 1);
    assert!(world.ledger_is_sound().await, "the double entry stays right");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_not_deduplicated_grants_each_delivery() {
    let world = World::start(planted("webhooks-not-deduplicated")).await;
    let buyer = world.tenant("buyer", 0).await;
    storm(&world, &buyer).await;
    assert_eq!(world.balance(&buyer).await, 2_500);
    assert!(world.ledger_is_sound().await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn email_failure_swallowed_loses_the_email_silently() {
    let world = World::start(planted("email-failure-swallowed")).await;
    let (partner, buyer) = (world.tenant("partner", 0).await, world.tenant("buyer", 9).await);
    let lead = world.lead(&partner, 5, 1).await;
    *world.stub.email_always.lock().unwrap() = Some(500);
    world.buy(0, &buyer, "k", &[lead]).await;
    world.until_quiet().await;
    assert_eq!(world.stub.emails.lock().unwrap().len(), 1);
    assert_eq!(world.count("SELECT count(*) FROM emails WHERE state = 'sent'").await, 1);
    assert_eq!(world.count("SELECT count(*) FROM dead_letters").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn debit_before_purchase_charges_the_losers() {
    let world = World::start(planted("debit-before-purchase")).await;
    let partner = world.tenant("partner", 0).await;
    let lead = [world.lead(&partner, 5, 1).await];
    let buyers = buyers(&world).await;
    let answers = join_all(buyers.iter().enumerate().map(|(n, buyer)| world.buy(n, buyer, "k", &lead))).await;
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1);
    let charged = "SELECT count(*) FROM transfers t WHERE reference LIKE 'purchase_%'
                     AND NOT EXISTS (SELECT 1 FROM purchases p WHERE t.reference = 'purchase_' || p.id)";
    assert_eq!(world.count(charged).await, i64::try_from(AT_ONCE).unwrap() - 1);
    assert!(world.ledger_is_sound().await, "every debit is balanced, just not deserved");
    world.end().await;
}
