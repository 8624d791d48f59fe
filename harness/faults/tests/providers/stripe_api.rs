//! The API: sessions, payment intents, errors, idempotency.

use serde_json::json;

use crate::support::{Api, NOW, order, stripe};

const SESSIONS: &str = "/v1/checkout/sessions";

#[tokio::test]
async fn opens_reads_and_expands_a_checkout_session() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let (status, session) = api.post(SESSIONS, Some("k"), &order("buyer-1", 20)).await;
    assert_eq!(status, 200, "{session}");
    let id = session["id"].as_str().unwrap();
    assert!(id.starts_with("cs_test_"), "{id}");
    assert_eq!(session["object"], "checkout.session");
    assert_eq!(session["url"], format!("https://checkout.stripe.com/c/pay/{id}"));
    assert_eq!((&session["status"], &session["payment_status"]), (&json!("open"), &json!("unpaid")));
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(100), &json!("eur")));
    assert_eq!(session["metadata"], json!({ "workspace": "buyer-1", "credits": "20" }));
    assert_eq!(session["client_reference_id"], "buyer-1");
    assert_eq!(session["expires_at"], NOW + 86_400);
    assert_eq!(session["livemode"], false);
    assert!(session["payment_intent"].is_null());

    assert_eq!(api.get(&format!("{SESSIONS}/{id}")).await, (status, session.clone()));
    let (_, expanded) = api.get(&format!("{SESSIONS}/{id}?expand[]=line_items")).await;
    assert_eq!(expanded["line_items"]["data"][0]["quantity"], 20);
    let (_, lines) = api.get(&format!("{SESSIONS}/{id}/line_items")).await;
    assert_eq!(lines["data"][0]["amount_total"], 100);

    let ledger = sim.ledger();
    assert_eq!(ledger.sessions.len(), 1);
    assert_eq!(ledger.sessions[0].session, id);
    assert_eq!(ledger.sessions[0].reference.as_deref(), Some("buyer-1"));
    assert_eq!(ledger.sessions[0].idempotency_key.as_deref(), Some("k"));
    assert_eq!((ledger.sessions[0].amount, ledger.sessions[0].paid), (100, 0));
    assert_eq!(ledger.requests["POST /v1/checkout/sessions 200"], 1);
    assert_eq!(ledger.requests["GET /v1/checkout/sessions/{id} 200"], 2);
}

#[tokio::test]
async fn the_same_seed_and_keys_give_the_same_ids_in_any_order() {
    let (one, other, foreign) = (stripe(1).await, stripe(1).await, stripe(2).await);
    let mut ids = Vec::new();
    for (sim, keys) in [(&one, ["a", "b"]), (&other, ["b", "a"]), (&foreign, ["a", "b"])] {
        let mut opened = std::collections::BTreeMap::new();
        for key in keys {
            let (_, session) = Api::of(sim).post(SESSIONS, Some(key), &order("buyer-1", 20)).await;
            opened.insert(key, session["id"].as_str().unwrap().to_owned());
        }
        ids.push(opened);
    }
    assert_eq!(ids[0], ids[1]);
    assert_ne!(ids[0], ids[2]);
}

#[tokio::test]
async fn a_key_replays_what_it_did_and_refuses_anything_else() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let mut reversed = order("buyer-1", 20);
    reversed.reverse();
    let first = api.try_post(SESSIONS, Some("k"), &order("buyer-1", 20)).await.unwrap();
    assert!(first.headers().get("idempotent-replayed").is_none());
    let request = first.headers()["request-id"].clone();
    assert!(request.to_str().unwrap().starts_with("req_"));
    let made = first.text().await.unwrap();
    let again = api.try_post(SESSIONS, Some("k"), &reversed).await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(again.headers()["idempotent-replayed"], "true");
    assert_eq!(again.headers()["original-request"], request);
    assert_ne!(again.headers()["request-id"], request);
    assert_eq!(again.text().await.unwrap(), made);
    let (status, error) = api.post(SESSIONS, Some("k"), &order("buyer-1", 21)).await;
    assert_eq!(status, 400);
    assert_eq!(error["error"]["type"], "idempotency_error");
    assert_eq!(sim.ledger().sessions.len(), 1);
}

#[tokio::test]
async fn refused_parameters_are_not_remembered() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let mut broken = order("buyer-1", 20);
    broken.retain(|(name, _)| name != "mode");
    let (status, error) = api.post(SESSIONS, Some("k"), &broken).await;
    assert_eq!(status, 400);
    assert_eq!(error["error"]["type"], "invalid_request_error");
    assert_eq!(error["error"]["code"], "parameter_missing");
    assert_eq!(error["error"]["param"], "mode");
    assert_eq!(api.post(SESSIONS, Some("k"), &order("buyer-1", 20)).await.0, 200);
}

#[tokio::test]
async fn wrong_requests_are_refused_in_stripes_words() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    for (name, value, param) in [
        ("line_items[0][quantity]", "many", "line_items[0][quantity]"),
        ("line_items[0][price_data][unit_amount]", "-5", "line_items[0][price_data][unit_amount]"),
        ("line_items[0][price_data][currency]", "euro", "line_items[0][price_data][currency]"),
        ("line_items[0][price]", "price_1", "line_items[0][price]"),
        ("mode", "subscription", "mode"),
        ("metadata[note]", &"x".repeat(501), "metadata[note]"),
        ("mode[x]", "1", "mode[x]"),
    ] {
        let mut form = order("buyer-1", 20);
        form.retain(|(known, _)| known != name);
        form.push((name.to_owned(), value.to_owned()));
        let (status, error) = api.post(SESSIONS, None, &form).await;
        assert_eq!(status, 400, "{name}: {error}");
        assert_eq!(error["error"]["param"], param);
    }
    assert_eq!(api.post(SESSIONS, Some(&"k".repeat(256)), &order("b", 1)).await.0, 400);
    for (path, param) in [
        ("/v1/checkout/sessions/cs_test_none", "session"),
        ("/v1/payment_intents/pi_none", "intent"),
        ("/v1/events/evt_none", "id"),
        ("/v1/charges/ch_none", "id"),
    ] {
        let (status, error) = api.get(path).await;
        assert_eq!((status.as_u16(), &error["error"]["code"]), (404, &json!("resource_missing")), "{path}");
        assert_eq!(error["error"]["param"], param);
    }
    assert_eq!(api.get("/v1/unknown").await.0, 404);
    let anonymous = reqwest::Client::new().get(format!("{}/v1/events/evt_1", sim.url()));
    let refused = anonymous.try_clone().unwrap().send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["stripe-version"], "2026-10-28.endive");
    let pinned = anonymous.bearer_auth("pk_test_1").header("stripe-version", "2024-06-20").send().await.unwrap();
    assert_eq!(pinned.status(), 401);
    assert_eq!(pinned.headers()["stripe-version"], "2024-06-20");
    assert!(sim.ledger().sessions.is_empty());
}

#[tokio::test]
async fn payment_intents_are_confirmed_at_once_or_later() {
    let sim = stripe(1).await;
    let api = Api::of(&sim);
    let form = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let base = [("amount", "700"), ("currency", "EUR"), ("metadata[credits]", "7")];
        base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let (status, at_once) = api
        .post("/v1/payment_intents", Some("p1"), &form(&[("confirm", "true"), ("payment_method", "pm_card_visa")]))
        .await;
    assert_eq!(status, 200, "{at_once}");
    assert_eq!((&at_once["status"], &at_once["amount_received"]), (&json!("succeeded"), &json!(700)));
    let charge = at_once["latest_charge"].as_str().unwrap();
    let (_, charge) = api.get(&format!("/v1/charges/{charge}")).await;
    assert_eq!(charge["payment_intent"], at_once["id"]);
    assert_eq!(charge["metadata"], json!({ "credits": "7" }));

    let (_, open) = api.post("/v1/payment_intents", Some("p2"), &form(&[])).await;
    assert_eq!(open["status"], "requires_payment_method");
    let confirm = format!("/v1/payment_intents/{}/confirm", open["id"].as_str().unwrap());
    assert_eq!(api.post(&confirm, None, &[]).await.0, 400);
    let method = [("payment_method".to_owned(), "pm_card_visa".to_owned())];
    let (status, done) = api.post(&confirm, None, &method).await;
    assert_eq!((status.as_u16(), &done["status"]), (200, &json!("succeeded")));
    let (status, error) = api.post(&confirm, None, &method).await;
    assert_eq!((status.as_u16(), &error["error"]["code"]), (400, &json!("payment_intent_unexpected_state")));

    let types: Vec<String> = sim.ledger().events.into_iter().map(|event| event.event_type).collect();
    let sequence = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"];
    assert_eq!(types, [sequence, sequence].concat());
    let keys: Vec<_> = sim.take_due(std::time::Duration::ZERO);
    assert_eq!(crate::support::body_of(&keys[0])["request"]["idempotency_key"], "p1");
}
