//! The email provider: acceptance, idempotency, each fate, the alert hook.

use std::time::{Duration, Instant};

use overdraft_faults::email::EmailSim;
use overdraft_model::{fault::Fault, span::Span, target::EmailRule};
use reqwest::Response;
use serde_json::{Value, json};

async fn sim() -> EmailSim {
    let rule = EmailRule { event_pointer: Some("/tags/0/value".into()), event_header: Some("x-event".into()) };
    EmailSim::start(1, rule).await.unwrap()
}

fn mail(to: impl Into<Value>, event: &str) -> Value {
    json!({
        "from": "shop@shop.test", "to": to.into(), "subject": "Your leads", "text": "Thank you",
        "tags": [{ "name": "event", "value": event }],
    })
}

async fn send(sim: &EmailSim, key: Option<&str>, body: &Value) -> reqwest::Result<Response> {
    let mut request = reqwest::Client::new().post(format!("{}/emails", sim.url())).bearer_auth("re_1").json(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    request.send().await
}

async fn told(sim: &EmailSim, key: Option<&str>, body: &Value) -> (u16, Value) {
    let response = send(sim, key, body).await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// `EmailFlaky` with everything off but what a test turns on.
#[derive(Default)]
struct Flaky {
    fail_attempts: u32,
    for_good: f64,
    rate_limited: f64,
    lose_answer: f64,
    slow: f64,
    slow_by: Span,
}

impl From<Flaky> for Fault {
    fn from(flaky: Flaky) -> Self {
        let Flaky { fail_attempts, for_good, rate_limited, lose_answer, slow, slow_by } = flaky;
        Self::EmailFlaky { fail_attempts, for_good, rate_limited, lose_answer, slow, slow_by }
    }
}

#[tokio::test]
async fn accepts_and_repeats_by_key() {
    let sim = sim().await;
    let (status, first) = told(&sim, Some("k"), &mail("a@x.test", "purchase-1")).await;
    assert_eq!(status, 200, "{first}");
    assert_eq!(first["id"].as_str().unwrap().len(), 36);
    assert_eq!(told(&sim, Some("k"), &mail("a@x.test", "purchase-1")).await, (200, first.clone()));
    let (status, conflict) = told(&sim, Some("k"), &mail("a@x.test", "purchase-2")).await;
    assert_eq!((status, &conflict["name"]), (409, &json!("invalid_idempotent_request")));
    assert_eq!(conflict["statusCode"], 409);
    assert_ne!(told(&sim, None, &mail("a@x.test", "purchase-1")).await.1, first);
    let ledger = sim.ledger();
    assert_eq!(ledger.accepted.len(), 2, "with and without the key");
    assert_eq!(ledger.accepted[0].key.as_deref(), Some("k"));
    assert_eq!(ledger.accepted[0].event, "purchase-1");
    assert_eq!((ledger.refused.len(), ledger.refused[0].status), (1, 409));
    assert_eq!(told(&sim, Some(&"k".repeat(257)), &mail("a@x.test", "e")).await.0, 400);
}

#[tokio::test]
async fn several_recipients_are_several_emails_and_the_rule_falls_back() {
    let sim = sim().await;
    assert_eq!(told(&sim, None, &mail(json!(["a@x.test", "b@x.test"]), "e")).await.0, 200);
    let mut untagged = mail("c@x.test", "e");
    untagged["tags"] = json!([]);
    assert_eq!(told(&sim, None, &untagged).await.0, 200);
    let client = reqwest::Client::new().post(format!("{}/emails", sim.url())).bearer_auth("re_1");
    assert_eq!(client.header("x-event", "from-header").json(&untagged).send().await.unwrap().status(), 200);
    let seen: Vec<(String, String)> =
        sim.ledger().accepted.into_iter().map(|email| (email.recipient, email.event)).collect();
    let expected = [("a@x.test", "e"), ("b@x.test", "e"), ("c@x.test", "Your leads"), ("c@x.test", "from-header")];
    assert_eq!(seen, expected.map(|(recipient, event)| (recipient.to_owned(), event.to_owned())));
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let sim = sim().await;
    for field in ["from", "to", "subject", "text"] {
        let mut body = mail("a@x.test", "e");
        body.as_object_mut().unwrap().remove(field);
        assert_eq!(told(&sim, None, &body).await.0, 422, "{field}");
    }
    assert_eq!(told(&sim, None, &mail("nobody", "e")).await.0, 422);
    let anonymous = reqwest::Client::new().post(format!("{}/emails", sim.url())).json(&mail("a@x.test", "e"));
    let refused = anonymous.send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.json::<Value>().await.unwrap()["name"], "missing_api_key");
    assert!(sim.ledger().accepted.is_empty());
}

#[tokio::test]
async fn an_outage_answers_503_until_healed() {
    let sim = sim().await;
    let guard = sim.inject(&Fault::EmailDown {}).unwrap();
    assert_eq!(told(&sim, Some("k"), &mail("a@x.test", "e")).await.0, 503);
    assert_eq!(guard.heal(), 1);
    assert_eq!(told(&sim, Some("k"), &mail("a@x.test", "e")).await.0, 200);
    let ledger = sim.ledger();
    assert_eq!((ledger.refused[0].status, ledger.refused[0].event.as_str()), (503, "e"));
    let idle = sim.inject(&Fault::EmailDown {}).unwrap();
    assert_eq!(idle.heal(), 0, "an outage that nobody met had no effect");
    assert!(sim.inject(&Fault::StripeErrors { share: 1.0 }).is_none());
}

#[tokio::test]
async fn first_attempts_fail_as_often_as_drawn_whatever_the_order() {
    let mut all = Vec::new();
    for backwards in [false, true] {
        let sim = sim().await;
        let fault = Flaky { fail_attempts: 3, ..Flaky::default() }.into();
        let guard = sim.inject(&fault).unwrap();
        let mut recipients: Vec<usize> = (0..12).collect();
        if backwards {
            recipients.reverse();
        }
        let mut failures = vec![0_u64; 12];
        for recipient in recipients {
            loop {
                let (status, answer) = told(&sim, None, &mail(format!("b{recipient}@x.test"), "e")).await;
                if status == 200 {
                    break;
                }
                assert_eq!((status, &answer["name"]), (500, &json!("application_error")));
                failures[recipient] += 1;
            }
        }
        assert_eq!(guard.effects(), failures.iter().sum::<u64>());
        all.push(failures);
    }
    assert_eq!(all[0], all[1]);
    assert!(all[0].iter().all(|failures| *failures <= 3));
    assert!(all[0].iter().any(|failures| *failures > 0) && all[0].contains(&0), "{all:?}");
}

#[tokio::test]
async fn a_bad_address_stays_bad_after_healing() {
    let sim = sim().await;
    let fault = Flaky { for_good: 1.0, ..Flaky::default() }.into();
    let guard = sim.inject(&fault).unwrap();
    let (status, answer) = told(&sim, Some("k"), &mail("a@x.test", "e")).await;
    assert_eq!((status, &answer["name"]), (422, &json!("invalid_parameter")));
    assert_eq!(guard.heal(), 1);
    assert_eq!(told(&sim, Some("k"), &mail("a@x.test", "e")).await.0, 422);
    assert_eq!(told(&sim, None, &mail("a@x.test", "another")).await.0, 200);
    assert_eq!(sim.ledger().accepted.len(), 1);
}

#[tokio::test]
async fn a_rate_limit_hits_the_first_attempt_only() {
    let sim = sim().await;
    let fault = Flaky { rate_limited: 1.0, ..Flaky::default() }.into();
    let guard = sim.inject(&fault).unwrap();
    let refused = send(&sim, None, &mail("a@x.test", "e")).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.json::<Value>().await.unwrap()["name"], "rate_limit_exceeded");
    assert_eq!(told(&sim, None, &mail("a@x.test", "e")).await.0, 200);
    assert_eq!(guard.heal(), 1);
}

#[tokio::test]
async fn a_lost_answer_was_accepted_and_is_lost_once() {
    let sim = sim().await;
    let fault = Flaky { lose_answer: 1.0, ..Flaky::default() }.into();
    let guard = sim.inject(&fault).unwrap();
    assert!(send(&sim, Some("k"), &mail("a@x.test", "e")).await.is_err());
    assert!(sim.ledger().accepted[0].answer_lost);
    assert_eq!(told(&sim, Some("k"), &mail("a@x.test", "e")).await.0, 200);
    assert_eq!(sim.ledger().accepted.len(), 1, "the key was remembered");
    assert_eq!(told(&sim, None, &mail("a@x.test", "e")).await.0, 200);
    assert_eq!(sim.ledger().accepted.len(), 2, "without its key the email is doubled: the target's mistake");
    assert_eq!(guard.heal(), 1);
}

#[tokio::test]
async fn a_slow_answer_comes_late() {
    let sim = sim().await;
    let fault = Flaky { slow: 1.0, slow_by: Span::from_ms(300), ..Flaky::default() }.into();
    let guard = sim.inject(&fault).unwrap();
    let began = Instant::now();
    assert_eq!(told(&sim, None, &mail("a@x.test", "e")).await.0, 200);
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(guard.heal(), 1);
}

#[tokio::test]
async fn a_flaky_fault_without_any_fate_has_no_effect() {
    let sim = sim().await;
    let guard = sim.inject(&Flaky::default().into()).unwrap();
    assert_eq!(told(&sim, None, &mail("a@x.test", "e")).await.0, 200);
    assert_eq!(guard.heal(), 0);
}

#[tokio::test]
async fn the_hook_takes_alerts_even_when_email_is_down() {
    let sim = sim().await;
    let _guard = sim.inject(&Fault::EmailDown {}).unwrap();
    let http = reqwest::Client::new();
    let answer = http.post(sim.alert_url()).json(&json!({ "text": "email is failing" })).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "ok"));
    assert_eq!(http.post(sim.alert_url()).json(&json!({})).send().await.unwrap().status(), 400);
    assert_eq!(sim.ledger().alerts, ["email is failing"]);
}

#[tokio::test]
async fn attempts_fail_on_demand_as_often_as_asked() {
    let sim = sim().await;
    sim.fail_next("a@x.test", 2, 503);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(told(&sim, Some("k"), &mail("a@x.test", "e")).await.0);
    }
    assert_eq!(statuses, [503, 503, 200]);
    assert_eq!(told(&sim, None, &mail("b@x.test", "e")).await.0, 200, "another recipient is not meant");
    sim.fail_next("a@x.test", u32::MAX, 422);
    assert_eq!(told(&sim, Some("k"), &mail("a@x.test", "e")).await.0, 200, "accepted before");
    assert_eq!(told(&sim, Some("k2"), &mail("a@x.test", "f")).await.0, 422);
    sim.fail_next("a@x.test", 0, 422);
    assert_eq!(told(&sim, Some("k2"), &mail("a@x.test", "f")).await.0, 200);
    let refused: Vec<u16> = sim.ledger().refused.into_iter().map(|refused| refused.status).collect();
    assert_eq!(refused, [503, 503, 422]);
}
