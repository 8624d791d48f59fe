//! Stand-ins for Stripe, the email provider and the alert hook: they record, and answer as told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use serde_json::{Value, json};

/// A request that a stub received.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) key: String,
    pub(crate) body: String,
}

/// What the stubs saw and how they answer.
#[derive(Default)]
pub(crate) struct Stub {
    pub(crate) sessions: Mutex<Vec<Seen>>,
    pub(crate) emails: Mutex<Vec<Seen>>,
    pub(crate) alerts: Mutex<Vec<Seen>>,
    pub(crate) enrichments: Mutex<Vec<Seen>>,
    pub(crate) synced: Mutex<Vec<Seen>>,
    /// The statuses of the next pages of the data sync; then 200.
    pub(crate) sync_answers: Mutex<Vec<u16>>,
    /// The status of every enrichment; 200 with an answer otherwise.
    pub(crate) enrichment_always: Mutex<Option<u16>>,
    /// Whether the email provider takes emails and never answers.
    pub(crate) email_hangs: AtomicBool,
    /// The statuses of the next emails; then 200.
    pub(crate) email_answers: Mutex<Vec<u16>>,
    /// The statuses of the next sessions; then 200.
    pub(crate) session_answers: Mutex<Vec<u16>>,
    /// How long each session takes.
    pub(crate) session_takes: Mutex<Duration>,
    /// What the API has, by path below `/v1/`.
    pub(crate) objects: Mutex<HashMap<String, Value>>,
    /// The status of every email, whatever the list says.
    pub(crate) email_always: Mutex<Option<u16>>,
}

type Answered = (StatusCode, String);

/// Serves the stub on a free port; its base URL.
pub(crate) async fn serve(stub: Arc<Stub>) -> String {
    let router = Router::new()
        .route("/emails", post(email))
        .route("/v1/checkout/sessions", post(session))
        .route("/v1/{kind}/{id}", get(object))
        .route("/hook", post(alert))
        .route("/enrich", post(enrich))
        .route("/sync", post(sync))
        .with_state(stub);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn seen(headers: &HeaderMap, body: &Bytes) -> Seen {
    let key = headers.get("idempotency-key").map_or("", |v| v.to_str().unwrap()).to_owned();
    Seen { key, body: String::from_utf8(body.to_vec()).unwrap() }
}

fn next(answers: &Mutex<Vec<u16>>) -> StatusCode {
    let mut answers = answers.lock().unwrap();
    let status = if answers.is_empty() { 200 } else { answers.remove(0) };
    StatusCode::from_u16(status).unwrap()
}

async fn email(State(stub): State<Arc<Stub>>, headers: HeaderMap, body: Bytes) -> Answered {
    stub.emails.lock().unwrap().push(seen(&headers, &body));
    if stub.email_hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let always = *stub.email_always.lock().unwrap();
    let status = always.map_or_else(|| next(&stub.email_answers), |s| StatusCode::from_u16(s).unwrap());
    (status, json!({ "id": "email_1", "name": "application_error", "message": "as told" }).to_string())
}

async fn enrich(State(stub): State<Arc<Stub>>, headers: HeaderMap, body: Bytes) -> Answered {
    stub.enrichments.lock().unwrap().push(seen(&headers, &body));
    let status = stub.enrichment_always.lock().unwrap().unwrap_or(200);
    (StatusCode::from_u16(status).unwrap(), json!({ "company": "Acme" }).to_string())
}

async fn sync(State(stub): State<Arc<Stub>>, headers: HeaderMap, body: Bytes) -> Answered {
    stub.synced.lock().unwrap().push(seen(&headers, &body));
    (next(&stub.sync_answers), String::new())
}

async fn session(State(stub): State<Arc<Stub>>, headers: HeaderMap, body: Bytes) -> Answered {
    stub.sessions.lock().unwrap().push(seen(&headers, &body));
    let takes = *stub.session_takes.lock().unwrap();
    tokio::time::sleep(takes).await;
    let answer = json!({ "id": "cs_1", "url": "https://checkout.test/cs_1" });
    (next(&stub.session_answers), answer.to_string())
}

async fn object(State(stub): State<Arc<Stub>>, Path((kind, id)): Path<(String, String)>) -> Answered {
    match stub.objects.lock().unwrap().get(&format!("{kind}/{id}")) {
        Some(object) => (StatusCode::OK, object.to_string()),
        None => (StatusCode::NOT_FOUND, json!({ "error": { "type": "invalid_request_error" } }).to_string()),
    }
}

async fn alert(State(stub): State<Arc<Stub>>, headers: HeaderMap, body: Bytes) -> Answered {
    stub.alerts.lock().unwrap().push(seen(&headers, &body));
    (StatusCode::OK, Value::Null.to_string())
}
