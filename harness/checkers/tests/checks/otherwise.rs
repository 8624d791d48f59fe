//! Services that are right and do it otherwise: without keys, with a row per lead, with work in the background, with
//! an email to the partner. None is accused, and what is wrong beside it is found all the same.

use overdraft_model::{
    operation::{Operation, Outcome},
    verdict::Validity,
};
use serde_json::json;

use crate::asserted::{closed, is_broken, is_fine};
use crate::shop::{Shop, buy, of, told};

const PROVES: [&str; 3] = ["effects.at-most-once", "acknowledged.durable", "races.serial"];

/// What rows keep of keys: of each purchase by its own key in this shop.
fn keeps(shop: &mut Shop, key: impl Fn(&str) -> Option<String>) {
    for row in shop.evidence.database.purchases.iter_mut().flatten() {
        row.key = row.key.as_deref().and_then(&key);
    }
}

/// A purchase, then one of another lead under the same key, which is made too.
fn another_under_one_key(keyed: Option<bool>) -> Shop {
    let mut shop = Shop::open(&PROVES);
    shop.manifest.stated.keyed = keyed;
    shop.buys("buyer-2", "lead-2", "key");
    let op = shop.ask(2, buy("buyer-2", &["lead-3"], "key"));
    shop.sell("buyer-2", "lead-3", "more");
    shop.ok(op, "buyer-2", "p-more");
    keeps(&mut shop, |_| None);
    shop
}

#[test]
fn who_takes_no_keys_may_sell_again_under_one() {
    is_fine(another_under_one_key(Some(false)));
    is_fine(another_under_one_key(None));
    is_broken(another_under_one_key(Some(true)), "effects.at-most-once", "key key");
}

#[test]
fn a_race_under_one_key_is_left_out_where_keys_are_not_taken() {
    let play = |keyed| {
        let mut shop = Shop::open(&PROVES);
        shop.manifest.stated.keyed = keyed;
        let [one, two] = ["lead-2", "lead-3"].map(|lead| shop.ask(2, buy("buyer-2", &[lead], "key")));
        shop.race("both", &[one, two]);
        for (op, lead) in [(one, "lead-2"), (two, "lead-3")] {
            shop.sell("buyer-2", lead, lead);
            shop.ok(op, "buyer-2", &format!("p-{lead}"));
        }
        keeps(&mut shop, |_| None);
        shop
    };
    is_fine(play(Some(false)));
    is_broken(play(Some(true)), "races.serial", "no order of its 2 requests");
}

/// A purchase, then the same key with another lead, which is told of this purchase.
fn replay_of(purchase: &str) -> Shop {
    let mut shop = Shop::open(&PROVES);
    shop.buys("buyer-2", "lead-2", "key");
    let op = shop.ask(2, buy("buyer-2", &["lead-3"], "key"));
    shop.ok(op, "buyer-2", purchase);
    shop
}

#[test]
fn the_stored_answer_to_another_request_under_the_key_is_no_lost_purchase() {
    is_fine(replay_of("p-key"));
    is_broken(replay_of("p-race-1"), "acknowledged.durable", "bought lead-3 (p-race-1), and there is no such purchase");
    let mut keyless = replay_of("p-key");
    keyless.manifest.stated.keyed = Some(false);
    is_broken(keyless, "acknowledged.durable", "bought lead-3 (p-key), and there is no such purchase");
    let mut gone = replay_of("p-key");
    gone.evidence.database.purchases.as_mut().unwrap().retain(|row| row.purchase != "p-key");
    is_broken(gone, "acknowledged.durable", "bought lead-2 (p-key), and there is no such purchase");
}

/// Two leads bought at once beside a read, each with a row of its own id; so many of the rows are there.
fn bundle(answer: serde_json::Value, rows: usize) -> Shop {
    let mut shop = Shop::open(&PROVES);
    let both = shop.ask(2, buy("buyer-2", &["lead-2", "lead-3"], "bundle"));
    let look = shop.ask(12, Operation::ReadBalance { workspace: "buyer-2".into() });
    shop.race("both", &[both, look]);
    for lead in ["lead-2", "lead-3"].iter().take(rows) {
        shop.sell("buyer-2", lead, &format!("bundle-{lead}"));
    }
    let balance = shop.balance("buyer-2");
    shop.answer(both, Outcome::Ok, told(201, answer));
    shop.answer(look, Outcome::Ok, told(200, json!({ "balance": balance })));
    shop
}

#[test]
fn a_bundle_may_have_a_row_and_an_id_for_each_lead() {
    for named in [json!({ "purchase": "p-bundle-lead-3", "balance": 300 }), json!({ "balance": 300 })] {
        for keyed in [true, false] {
            let keep =
                move |key: &str| keyed.then(|| if key.starts_with("bundle") { "bundle" } else { key }.to_owned());
            let mut shop = bundle(named.clone(), 2);
            keeps(&mut shop, keep);
            let verdict = closed(shop);
            assert_eq!(verdict.validity, Validity::Valid, "{keyed} {named}: {}", verdict.cause);
            assert_eq!(of(&verdict, "races.serial").unwrap().evidence, 2, "{keyed} {named}");

            let mut half = bundle(named.clone(), 1);
            keeps(&mut half, keep);
            is_broken(half, "acknowledged.durable", "bought lead-");
        }
    }
}

#[test]
fn leads_bought_one_by_one_are_no_bundle() {
    let mut shop = bundle(json!({ "purchase": "p-bundle-lead-2", "balance": 400 }), 1);
    shop.buys("buyer-2", "lead-3", "alone");
    is_broken(shop, "acknowledged.durable", "bought lead-3 (p-bundle-lead-2)");
}

/// A purchase of `buyer-2` whose confirmation went to these workspaces.
fn mailed(to: &[&str]) -> Shop {
    let mut shop = Shop::open(&["paid.delivered"]);
    for workspace in &mut shop.manifest.scenarios[0].world.workspaces {
        workspace.values.insert("email".into(), json!(format!("{}@example.test", workspace.name)));
    }
    shop.buys("buyer-2", "lead-2", "click");
    shop.evidence.email.accepted.pop();
    to.iter().for_each(|to| shop.email(to, "confirm-click", "1", false));
    shop
}

#[test]
fn the_partner_may_be_told_of_the_sale_and_the_buyer_must_be() {
    is_fine(mailed(&["buyer-2", "partner-1"]));
    is_broken(mailed(&["partner-1"]), "paid.delivered", "buyer-2 never got the email about confirm-click");
    is_broken(mailed(&["buyer-2", "buyer-3"]), "paid.delivered", "buyer-3 got the email about confirm-click");
}

#[test]
fn what_is_missing_is_lost_only_if_it_is_known_that_nothing_is_outstanding() {
    for email in [true, false] {
        let play = |jobs: bool, outstanding: bool| {
            let mut shop = Shop::open(&["paid.delivered"]);
            if email {
                shop.buys("buyer-2", "lead-2", "click");
                shop.evidence.email.accepted.pop();
            } else {
                let session = shop.orders("buyer-2", 300, "order-1");
                let event = shop.pays("buyer-2", &session);
                shop.delivers(&event, &session, None, 200);
            }
            shop.evidence.database.jobs = jobs.then(Vec::new);
            if outstanding {
                shop.manifest.mapped.push("outstanding".into());
            }
            let verdict = closed(shop);
            let check = of(&verdict, "paid.delivered").unwrap();
            (check.validity, check.observed.clone())
        };
        let (validity, observed) = play(false, false);
        assert_eq!(validity, Validity::Unknown, "{observed}");
        assert!(observed.contains("not mapped by the target file") && observed.contains("outstanding"), "{observed}");
        for (jobs, outstanding) in [(true, false), (false, true), (true, true)] {
            assert_eq!(play(jobs, outstanding).0, Validity::Invalid, "{jobs} {outstanding}");
        }
    }
}
