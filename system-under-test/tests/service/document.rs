//! The OpenAPI document against the service that serves it.

use reqwest::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

/// Every operation: method, a path that can be asked for, and what the document says.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let nil = Uuid::nil().to_string();
        let part = |part: &str| match part {
            "{kind}" => "reads".to_owned(),
            part if part.starts_with('{') => nil.clone(),
            part => part.to_owned(),
        };
        let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
        for (method, operation) in item.as_object().unwrap() {
            operations.push((method.to_uppercase(), path.clone(), operation.clone()));
        }
    }
    operations
}

fn codes(operation: &Value) -> Vec<&str> {
    operation["x-problems"].as_array().unwrap().iter().map(|code| code.as_str().unwrap()).collect()
}

async fn code(answer: Response) -> Option<String> {
    if answer.status().is_success() {
        return None;
    }
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let problem: Value = answer.json().await.unwrap();
    problem["code"].as_str().map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_the_document_says() {
    let world = World::start(None).await;
    let (buyer, admin) = (world.tenant("buyer", 0).await, world.staff("admin").await);
    let document: Value = world.send(0, "GET", "/v1/openapi.json", "", "", &Value::Null).await.json().await.unwrap();
    let operations = operations(&document);
    assert!(operations.len() >= 15, "{}", operations.len());
    for (method, path, operation) in &operations {
        let name = format!("{method} {path}");
        let codes = codes(operation);
        let open = code(world.send(0, method, path, "", "", &json!({})).await).await;
        assert!(open.as_deref().is_none_or(|code| codes.contains(&code)), "{name} answers {open:?}");
        let secured = operation.get("security").is_some();
        assert_eq!(open.as_deref() == Some("unauthorized"), secured, "{name} without a key");
        let wrong = code(world.send(1, method, path, "nobody's", "", &json!({})).await).await;
        assert!(wrong.as_deref().is_none_or(|code| codes.contains(&code)), "{name} answers {wrong:?}");

        let staff = operation["security"].to_string().contains("staff");
        let key = if staff { &admin } else { &buyer.key };
        let bare = code(world.send(0, method, path, key, "", &json!({})).await).await;
        assert!(bare.as_deref().is_none_or(|code| codes.contains(&code)), "{name} answers {bare:?}");
        // A body or path that means nothing may be refused first.
        let keyless: &[&str] = if codes.contains(&"idempotency_key_missing") {
            &["idempotency_key_missing", "invalid_request"]
        } else {
            &[]
        };
        let refused = bare.as_deref().filter(|code| !keyless.contains(code));
        assert!(keyless.is_empty() || refused.is_none() && bare.is_some(), "{name} without Idempotency-Key: {bare:?}");
        assert_ne!(refused, Some("idempotency_key_missing"), "{name} does not state that it needs Idempotency-Key");
        if staff {
            let member = code(world.send(0, method, path, &buyer.key, "k", &json!({})).await).await;
            assert!(member.as_deref().is_some_and(|code| codes.contains(&code)), "{name} as a member: {member:?}");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_to_try_it_needs_no_other_host() {
    let world = World::start(None).await;
    let get = |path: &'static str| world.send(0, "GET", path, "", "", &Value::Null);
    let page = get("/docs").await;
    assert_eq!((page.status().as_u16(), page.url().path()), (200, "/docs/"));
    let html = page.text().await.unwrap();
    for asset in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-standalone-preset.js", "swagger-initializer.js"]
    {
        assert!(html.contains(asset), "{asset} is not on the page");
        let path = format!("/docs/{asset}");
        assert_eq!(world.send(1, "GET", &path, "", "", &Value::Null).await.status(), 200, "{asset}");
    }
    assert!(!html.contains("src=\"http") && !html.contains("href=\"http"), "{html}");
    let initializer = get("/docs/swagger-initializer.js").await.text().await.unwrap();
    assert!(initializer.contains("/v1/openapi.json"), "{initializer}");
    assert!(initializer.contains("\"validatorUrl\": \"none\""), "{initializer}");
    let errors = get("/docs/errors").await.text().await.unwrap();
    assert!(errors.contains("## `insufficient_credits`"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_a_problem_too() {
    let world = World::start_with(None, &[("BODY_LIMIT_BYTES", "1024")]).await;
    let buyer = world.tenant("buyer", 0).await;
    let page = world.send(0, "GET", "/v1/leads?limit=many", &buyer.key, "", &Value::Null).await;
    let problem: Value = page.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("invalid_request"), &json!(400)));
    assert!(problem["detail"].as_str().unwrap().contains("limit"), "{problem}");
    let body = json!({ "lead_ids": "x".repeat(2_000) });
    let large = world.send(0, "POST", "/v1/purchases", &buyer.key, "k", &body).await;
    assert_eq!(large.status(), 413);
    assert_eq!(large.json::<Value>().await.unwrap()["code"], "body_too_large");
    world.end().await;
}
