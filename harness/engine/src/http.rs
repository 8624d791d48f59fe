//! Operations as HTTP, by the target file's map, and answers as outcomes.
//!
//! The rule that everything rests on: an answer that says no is `fail`, an answer that says yes is `ok`,
//! and whatever may or may not have happened is `info`: a lost answer, a timeout, a 5xx. A request that
//! never left, because nobody accepted the connection, is `fail`.

use std::time::Duration;

use overdraft_model::{
    manifest::World,
    operation::{Answer, Operation, Outcome},
    target::{HttpOperation, Target},
};
use serde_json::{Value, json};

use crate::{
    fill::{self, FillError, Values},
    values,
};

/// What a capture from a header begins with.
pub const HEADER: &str = "header:";

/// A request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST` and so on.
    pub method: reqwest::Method,
    /// Absolute.
    pub url: String,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// The body; none for none.
    pub body: Option<Vec<u8>>,
}

/// An HTTP answer as it arrived.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body.
    pub body: bytes::Bytes,
}

/// Why an operation cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The target file does not map it.
    #[error("the target file maps no operation `{0}`")]
    Unmapped(String),
    /// A workspace or lead is not in the world.
    #[error("the world has no `{0}`")]
    Unknown(String),
    /// A placeholder stands for nothing.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// Not an HTTP method.
    #[error("`{0}` is not an HTTP method")]
    Method(String),
}

/// How an operation ended and what was said.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// How it ended.
    pub outcome: Outcome,
    /// What was said.
    pub answer: Answer,
}

/// The map of one operation and its request to one instance.
///
/// # Errors
/// Fails if the target does not map it or names what the world lacks.
pub fn request_for<'a>(
    target: &'a Target,
    world: &World,
    operation: &Operation,
    base_url: &str,
) -> Result<(&'a HttpOperation, Request), PrepareError> {
    let name = operation.mapping().unwrap_or(operation.name());
    let map = target.operations.get(name).ok_or_else(|| PrepareError::Unmapped(name.to_owned()))?;
    let values = values_of(world, operation)?;
    Ok((map, prepare(map, &values, base_url)?))
}

fn values_of(world: &World, operation: &Operation) -> Result<Values, PrepareError> {
    let mut known = values::of_admin(world);
    if let Some(name) = operation.workspace() {
        let workspace = world.workspace(name).ok_or_else(|| PrepareError::Unknown(name.to_owned()))?;
        known.extend(values::of_workspace(workspace));
    }
    let lead = |name: &String| world.lead(name).ok_or_else(|| PrepareError::Unknown(name.clone()));
    match operation {
        Operation::Purchase { leads, key, .. } => {
            let leads = leads.iter().map(lead).collect::<Result<Vec<_>, _>>()?;
            let ids: Vec<&Value> = leads.iter().filter_map(|lead| lead.values.get("id")).collect();
            known.insert("lead.ids".into(), json!(ids));
            if let Some(first) = leads.first() {
                known.extend(values::of_lead(first));
            }
            known.insert("key".into(), json!(key));
        }
        Operation::BuyCredits { credits, key, .. } => {
            known.insert("credits".into(), json!(credits));
            known.insert("key".into(), json!(key));
        }
        Operation::Custom { with, .. } => known.extend(with.clone()),
        Operation::ReadLead { lead: name, .. } => known.extend(values::of_lead(lead(name)?)),
        Operation::ReadBalance { .. }
        | Operation::Pay { .. }
        | Operation::SettlePayment { .. }
        | Operation::Refund { .. }
        | Operation::FailRefund { .. }
        | Operation::Dispute { .. }
        | Operation::MoveDispute { .. }
        | Operation::DeliverWebhook { .. } => {}
    }
    Ok(known)
}

/// Fills an operation's map.
///
/// # Errors
/// Fails on an unknown placeholder or method.
pub fn prepare(map: &HttpOperation, values: &Values, base_url: &str) -> Result<Request, PrepareError> {
    let method = map.method.parse().map_err(|_| PrepareError::Method(map.method.clone()))?;
    let mut headers = map
        .headers
        .iter()
        .map(|(name, value)| Ok((name.clone(), fill::text(value, values)?)))
        .collect::<Result<Vec<_>, FillError>>()?;
    let body = match &map.json {
        Some(template) => {
            if !map.headers.keys().any(|name| name.eq_ignore_ascii_case("content-type")) {
                headers.push(("content-type".into(), "application/json".into()));
            }
            Some(fill::json(template, values)?.to_string().into_bytes())
        }
        None => None,
    };
    Ok(Request { method, url: format!("{base_url}{}", fill::text(&map.path, values)?), headers, body })
}

/// Sends a request and judges its answer.
pub async fn send(
    client: &reqwest::Client,
    request: &Request,
    map: &HttpOperation,
    instance: usize,
    within: Duration,
) -> Told {
    let mut builder = client.request(request.method.clone(), &request.url).timeout(within);
    for (name, value) in &request.headers {
        builder = builder.header(name, value);
    }
    if let Some(body) = &request.body {
        builder = builder.body(body.clone());
    }
    let answered = async {
        let answer = builder.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Ok::<_, reqwest::Error>(Reply { status, headers, body: answer.bytes().await? })
    };
    match answered.await {
        Ok(reply) => judge(map, &reply, instance),
        Err(error) => unanswered(&error, instance),
    }
}

/// What an HTTP answer means.
#[must_use]
pub fn judge(map: &HttpOperation, reply: &Reply, instance: usize) -> Told {
    let json: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    let captured = |place: &str| match place.strip_prefix(HEADER) {
        Some(name) => reply.headers.get(name).and_then(|value| value.to_str().ok()).map(number_or_text),
        None => json.pointer(place).filter(|value| !value.is_null()).cloned(),
    };
    let fields = map.capture.iter().filter_map(|(name, place)| Some((name.clone(), captured(place)?))).collect();
    let outcome = outcome_of(map, reply.status);
    let code = match (outcome, &map.code) {
        (Outcome::Ok, _) | (_, None) => None,
        (_, Some(pointer)) => json
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(|code| map.codes.get(code).map_or(code, String::as_str).to_owned()),
    };
    Told { outcome, answer: Answer { status: Some(reply.status), code, fields, error: None, instance } }
}

/// A header's value: a whole number where it is one, as a retry's delay or a count of what is left.
fn number_or_text(value: &str) -> Value {
    value.trim().parse::<i64>().map_or_else(|_| Value::from(value), Value::from)
}

fn outcome_of(map: &HttpOperation, status: u16) -> Outcome {
    let ok = map.ok.as_ref().map_or((200..300).contains(&status), |listed| listed.contains(&status));
    // 408 says that the server gave up on us: the request may have been seen.
    let fail =
        map.fail.as_ref().map_or((400..500).contains(&status) && status != 408, |listed| listed.contains(&status));
    match (ok, fail) {
        (true, _) => Outcome::Ok,
        (false, true) => Outcome::Fail,
        (false, false) => Outcome::Info,
    }
}

fn unanswered(error: &reqwest::Error, instance: usize) -> Told {
    // A connection that was never accepted carried nothing.
    lost(!error.is_connect(), describe(error), instance)
}

/// No answer came: what was never sent did not happen, and what was sent may have.
#[must_use]
pub fn lost(sent: bool, problem: String, instance: usize) -> Told {
    let outcome = if sent { Outcome::Info } else { Outcome::Fail };
    Told { outcome, answer: Answer { error: Some(problem), instance, ..Answer::default() } }
}

fn describe(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "timed out".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(ok: Option<Vec<u16>>, fail: Option<Vec<u16>>) -> HttpOperation {
        HttpOperation {
            method: "POST".into(),
            path: "/purchases/{lead.id}".into(),
            headers: [("Idempotency-Key".to_owned(), "{key}".to_owned())].into(),
            json: Some(json!({"leads": "{lead.ids}"})),
            ok,
            fail,
            capture: [("purchase".to_owned(), "/purchase/id".to_owned())].into(),
            code: Some("/code".into()),
            codes: [("SOLD".to_owned(), "lead_sold_out".to_owned())].into(),
        }
    }

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.to_owned().into(), ..Reply::default() }
    }

    #[test]
    fn what_may_have_happened_is_info() {
        let plain = map(None, None);
        for (status, outcome) in [
            (200, Outcome::Ok),
            (204, Outcome::Ok),
            (302, Outcome::Info),
            (402, Outcome::Fail),
            (408, Outcome::Info),
            (409, Outcome::Fail),
            (500, Outcome::Info),
            (503, Outcome::Info),
        ] {
            assert_eq!(judge(&plain, &reply(status, ""), 0).outcome, outcome, "{status}");
        }
        let listed = map(Some(vec![200, 409]), Some(vec![503]));
        assert_eq!(judge(&listed, &reply(409, ""), 0).outcome, Outcome::Ok);
        assert_eq!(judge(&listed, &reply(503, ""), 0).outcome, Outcome::Fail);
        assert_eq!(judge(&listed, &reply(400, ""), 0).outcome, Outcome::Info);
    }

    #[test]
    fn fields_and_codes_are_captured() {
        let told = judge(&map(None, None), &reply(201, r#"{"purchase":{"id":"p1"}}"#), 1);
        assert_eq!((told.answer.text("purchase"), told.answer.instance), (Some("p1"), 1));
        for code in ["lead_sold_out", "SOLD"] {
            let told = judge(&map(None, None), &reply(409, &format!(r#"{{"code":"{code}"}}"#)), 0);
            assert_eq!(told.answer.code.as_deref(), Some("lead_sold_out"));
        }
        let mut limited = map(None, None);
        limited.capture = [("retry_after", "header:retry-after"), ("limit", "header:ratelimit"), ("none", "header:x")]
            .map(|(name, place)| (name.to_owned(), place.to_owned()))
            .into();
        let mut told = reply(429, "");
        told.headers.insert("retry-after", reqwest::header::HeaderValue::from_static("7"));
        told.headers.insert("ratelimit", reqwest::header::HeaderValue::from_static("\"reads\";r=0;t=7"));
        let answer = judge(&limited, &told, 0).answer;
        assert_eq!((answer.integer("retry_after"), answer.text("none")), (Some(7), None));
        assert_eq!(answer.text("limit"), Some("\"reads\";r=0;t=7"));
    }

    #[test]
    fn an_operation_becomes_a_request() {
        let values: Values = [("key", json!("k")), ("lead.id", json!("l1")), ("lead.ids", json!(["l1", "l2"]))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        let request = prepare(&map(None, None), &values, "http://127.0.0.1:1").unwrap();
        assert_eq!(request.url, "http://127.0.0.1:1/purchases/l1");
        assert_eq!(request.body.as_deref(), Some(br#"{"leads":["l1","l2"]}"#.as_slice()));
        assert!(request.headers.contains(&("content-type".into(), "application/json".into())));
    }

    #[tokio::test]
    async fn nobody_listening_is_fail_and_silence_is_info() {
        let client = reqwest::Client::new();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        for (address, outcome) in [(closed, Outcome::Fail), (silent.local_addr().unwrap(), Outcome::Info)] {
            let request = Request {
                method: reqwest::Method::GET,
                url: format!("http://{address}/"),
                headers: vec![],
                body: None,
            };
            let told = send(&client, &request, &map(None, None), 0, Duration::from_millis(200)).await;
            assert_eq!(told.outcome, outcome, "{:?}", told.answer);
        }
    }
}
