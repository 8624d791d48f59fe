//! The OpenAPI document: what the handlers say of themselves, completed with what holds for all of them.
//!
//! A handler states its path, bodies, security (`member`, `staff` or none) and, as the extension `x-problems`, the
//! codes of the errors that are its own. From the catalogue of errors this makes one response per status; the
//! errors that any request can meet, and the header Idempotency-Key (where the handler names
//! `idempotency_key_missing`), are added here, so that no handler can forget them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::Extension;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::limits::LimitKind;
use crate::problem::{Kind, kind};

/// Where the document is.
const DOCUMENT: &str = "/v1/openapi.json";
/// Where the page to try it is.
const PAGE: &str = "/docs";
/// The extension in which a handler names its own errors, and in which the document lists all of them.
const PROBLEMS: &str = "x-problems";

/// The extension that names the kind of rate limit; null for what is not limited.
const LIMIT: &str = "x-rate-limit";

const ABOUT: &str = "\
A lead marketplace: workspaces buy credits with money and leads with credits.\n\n\
A write repeated with the same `Idempotency-Key` and body has one effect and the same answer. Every error is \
`application/problem+json` (RFC 9457) with a `code` to decide by; each operation lists its codes in `x-problems`. \
Requests are limited per minute, workspace and kind (`x-rate-limit`); the headers `RateLimit` and `RateLimit-Policy` \
tell what is left. Times are RFC 3339 in UTC, amounts are whole credits or cents.";

/// The document as it is served.
#[derive(Clone)]
pub(super) struct Document(Arc<Value>);

impl Document {
    /// Completes what the handlers said.
    pub(super) fn complete(collected: OpenApi) -> Result<Self, serde_json::Error> {
        let mut document = serde_json::to_value(collected)?;
        document["info"] = json!({ "title": "Overdraft reference service", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT });
        document["components"]["schemas"]["Problem"] = problem_schema();
        document["components"]["securitySchemes"] = json!({
            "member": { "type": "http", "scheme": "bearer", "description": "The API key of a member of a workspace." },
            "staff": { "type": "http", "scheme": "bearer", "description": "The API key of a member of the staff." },
        });
        for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Ok(method) = method.to_uppercase().parse() {
                    complete_operation(operation, LimitKind::of(&method, path));
                }
            }
        }
        Ok(Self(Arc::new(document)))
    }

    /// The page to try the API on. All of it is in the binary, and it asks no other host.
    pub(super) fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
        let config = Config::from(DOCUMENT).validator_url("none").try_it_out_enabled(true).persist_authorization(false);
        SwaggerUi::new(PAGE).config(config).into()
    }
}

/// This document: every endpoint, its errors and how to call it.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "documentation", responses((status = 200, body = Value)))]
pub(super) async fn show(Extension(Document(document)): Extension<Document>) -> Json<Arc<Value>> {
    Json(document)
}

/// Every kind of error, in words.
#[utoipa::path(get, path = "/docs/errors", tag = "documentation",
    responses((status = 200, body = String, content_type = "text/markdown")))]
pub(super) async fn errors() -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], crate::problem::errors())
}

fn complete_operation(operation: &mut Value, limit: Option<LimitKind>) {
    operation[LIMIT] = json!(limit.map(LimitKind::name));
    let codes = codes(operation, limit);
    if codes.contains(&"idempotency_key_missing") {
        let parameters = operation.as_object_mut().map(|o| o.entry("parameters").or_insert_with(|| json!([])));
        if let Some(Value::Array(parameters)) = parameters {
            parameters.push(idempotency_key());
        }
    }
    let mut by_status: BTreeMap<u16, Vec<&Kind>> = BTreeMap::new();
    for kind in codes.iter().filter_map(|code| kind(code)) {
        by_status.entry(kind.status).or_default().push(kind);
    }
    for (status, kinds) in by_status {
        operation["responses"][status.to_string()] = response(&kinds);
    }
    operation[PROBLEMS] = json!(codes);
}

/// Every code that an operation can answer with, in the order of the catalogue.
fn codes(operation: &Value, limit: Option<LimitKind>) -> Vec<&'static str> {
    let own = operation[PROBLEMS].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut codes: Vec<&str> = own.collect();
    codes.extend(["internal_error", "database_unavailable", "request_timeout"]);
    if limit.is_some() {
        codes.push("rate_limited");
    }
    let needs =
        |scheme: &str| operation["security"].as_array().is_some_and(|all| all.iter().any(|s| s.get(scheme).is_some()));
    if needs("member") || needs("staff") {
        codes.push("unauthorized");
    }
    if needs("staff") {
        codes.push("forbidden");
    }
    let parameters = operation["parameters"].as_array();
    if operation.get("requestBody").is_some() || parameters.is_some_and(|all| all.iter().any(|p| p["in"] == "query")) {
        codes.push("invalid_request");
    }
    if operation.get("requestBody").is_some() {
        codes.push("body_too_large");
    }
    if codes.contains(&"idempotency_key_missing") {
        codes.push("idempotency_key_reused");
    }
    crate::problem::CATALOGUE.iter().map(|kind| kind.code).filter(|code| codes.contains(code)).collect()
}

/// One response for all the errors with one status.
fn response(kinds: &[&Kind]) -> Value {
    let lines: Vec<String> = kinds.iter().map(|kind| line(kind)).collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| (kind.code.to_owned(), json!({ "summary": kind.title, "value": example(kind) })))
        .collect();
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let seconds = |about: &str| json!({ "description": about, "schema": { "type": "integer" } });
    let text = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    let headers = match kinds.first().map(|kind| kind.status) {
        Some(429) => json!({
            "Retry-After": seconds("Seconds after which the request may be admitted."),
            "RateLimit": text("The kind, what is left (`r`) and the seconds until there is one more (`t`)."),
            "RateLimit-Policy": text("The kind, its quota (`q`) and the seconds in which that flows back (`w`)."),
        }),
        Some(503) => json!({ "Retry-After": seconds("Seconds after which it is worth trying again.") }),
        _ => json!({}),
    };
    json!({
        "description": lines.join("\n\n"),
        "headers": headers,
        "content": { "application/problem+json": { "schema": schema, "examples": examples } },
    })
}

fn line(kind: &Kind) -> String {
    let members = if kind.members.is_empty() { "" } else { " More members: " };
    format!("`{}`: {} {}{members}{}", kind.code, kind.meaning, kind.action, kind.members.join(", "))
}

fn example(kind: &Kind) -> Value {
    json!({
        "type": kind.uri(), "title": kind.title, "status": kind.status, "detail": kind.meaning, "code": kind.code,
        "instance": "urn:request:0198f2b4-7f0e-7000-8000-000000000000",
        "request_id": "0198f2b4-7f0e-7000-8000-000000000000", "retryable": kind.retryable(),
    })
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": true,
        "description": "A new one per request, the same one when a request is repeated.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
    })
}

fn problem_schema() -> Value {
    let text = |about: &str| json!({ "type": "string", "description": about });
    json!({
        "type": "object",
        "description": "RFC 9457. Some codes add members; docs/errors.md lists them.",
        "required": ["type", "title", "status", "detail", "instance", "code", "request_id", "retryable"],
        "properties": {
            "type": text("The URI of the kind of error."), "title": text("The kind in a few words; the same for each."),
            "status": { "type": "integer", "description": "HTTP status." }, "detail": text("What was wrong with this request."),
            "instance": text("This one occurrence."), "code": text("What a program decides by; never reworded."),
            "request_id": text("As in the header X-Request-Id and in our log."),
            "retryable": { "type": "boolean", "description": "Whether the same request may succeed later by itself." },
        },
        "additionalProperties": true,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::routes;

    fn document() -> Value {
        routes(false).unwrap().1.0.as_ref().clone()
    }

    fn operations(document: &Value) -> Vec<(String, Value)> {
        let paths = document["paths"].as_object().unwrap();
        let of = |(path, item): (&String, &Value)| {
            let name = |method: &String| format!("{} {path}", method.to_uppercase());
            item.as_object()
                .unwrap()
                .iter()
                .map(|(method, operation)| (name(method), operation.clone()))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(of).collect()
    }

    #[test]
    fn every_route_is_in_the_document_and_the_document_has_no_other() {
        let (router, document) = routes(true).unwrap();
        // axum tells its routes nowhere else: `paths: {RouteId(0): "/v1/purchases", ...}`.
        let shown = format!("{router:?}");
        let fallbacks = ["/", "/{*__private__axum_fallback}"];
        let paths = shown.split('"').filter(|text| text.starts_with('/') && !fallbacks.contains(text));
        // Pages for people, and what only tests have.
        let page = |path: &str| path.starts_with("/admin") || ["/docs", "/docs/", "/docs/{*rest}"].contains(&path);
        let routed: BTreeSet<&str> = paths.filter(|path| !page(path) && *path != "/test-clock").collect();
        let documented: BTreeSet<&str> = document.0["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(routed, documented);
    }

    #[test]
    fn every_operation_states_what_it_does_who_may_call_it_and_its_errors() {
        let document = document();
        for (name, operation) in operations(&document) {
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name} has no summary");
            assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{name} has not one tag");
            let codes: Vec<&str> =
                operation[PROBLEMS].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
            for code in &codes {
                let status = kind(code).unwrap().status.to_string();
                let examples = &operation["responses"][&status]["content"]["application/problem+json"]["examples"];
                assert_eq!(examples[code]["value"]["code"], *code, "{name}");
            }
            for code in ["internal_error", "database_unavailable", "request_timeout"] {
                assert!(codes.contains(&code), "{name} does not state {code}");
            }
            let exempt = ["/health", "/webhooks"].iter().any(|path| name.contains(path));
            assert_eq!(codes.contains(&"rate_limited"), !exempt, "{name}");
            assert_eq!(operation[LIMIT].is_string(), !exempt, "{name}");
            let secured = operation.get("security").is_some();
            assert_eq!(secured, codes.contains(&"unauthorized"), "{name}");
            let v1 = name.contains(" /v1/") && !name.ends_with(DOCUMENT);
            let open = ["POST /v1/workspaces"].contains(&name.as_str());
            assert_eq!(secured, v1 && !open, "{name}: only what is under /v1 needs a key");
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let keyed = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
            assert_eq!(keyed, codes.contains(&"idempotency_key_missing"), "{name}");
        }
    }

    #[test]
    fn every_schema_that_is_referred_to_is_there() {
        let document = document();
        let text = document.to_string();
        let mut seen = 0;
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{name}");
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }
}
