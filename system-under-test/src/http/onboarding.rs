//! `POST /v1/workspaces`: sign-up. The only write that needs no API key: it makes one.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use super::layers::RequestId;
use super::purchases::respond;
use super::request::{idempotency_key, json as parse, request_hash};
use crate::database::retrying;
use crate::email::Address;
use crate::keys::Keys;
use crate::problem::Problem;
use crate::seams::Answer;

/// Characters of a workspace's name at most: it stands in emails and headings.
const LONGEST_NAME: usize = 200;
/// What stands for the API key in the stored answer.
const KEY_MARK: &str = "{api_key}";

#[derive(Deserialize, ToSchema)]
struct NewWorkspace {
    /// 1 to 200 characters.
    name: String,
    /// The owner's address.
    email: String,
}

/// What the function `sign_up` answers with.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the database writes this body")]
struct SignedUp {
    workspace_id: Uuid,
    member_id: Uuid,
    /// The owner's key: keep it, nobody can look it up. The same request with the same key tells it again.
    api_key: String,
    /// The signup bonus.
    balance: i64,
}

/// Signs up: a workspace, its owner, the signup bonus and a welcome email. The Idempotency-Key should be random:
/// who repeats it with the same body is told the API key.
#[utoipa::path(post, path = "/v1/workspaces", tag = "onboarding", request_body = NewWorkspace,
    responses((status = 201, body = SignedUp)),
    extensions(("x-problems" = json!(["idempotency_key_missing", "email_taken"]))))]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Body>, Problem> {
    let idempotency_key = idempotency_key(&headers)?;
    let (name, email) = wanted(&body)?;
    let keys = &app.keys;
    let workspace = keys.sign_up_id("workspace", &idempotency_key);
    let api_key = keys.api_key(workspace);
    let answer: Answer = retrying(|| {
        sqlx::query_as("SELECT * FROM sign_up($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
            .bind(workspace)
            .bind(keys.sign_up_id("member", &idempotency_key))
            .bind(Keys::hash(&api_key))
            .bind(&idempotency_key)
            .bind(request_hash("POST /v1/workspaces", &body))
            .bind(&name)
            .bind(&email.given)
            .bind(&email.folded)
            .bind(app.settings.signup_bonus_credits)
            .bind(&request_id)
            .bind(app.clock.now())
            .bind(app.settings.credit_lifetime_days)
            .fetch_one(&app.pool)
    })
    .await?;
    let body = if answer.status == 201 { answer.body.replace(KEY_MARK, &api_key) } else { answer.body };
    Ok(respond(Answer { body, ..answer }))
}

fn wanted(body: &[u8]) -> Result<(String, Address), Problem> {
    let NewWorkspace { name, email } = parse(body)?;
    let name = name.trim();
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(Problem::invalid_request(&format!("name must be 1 to {LONGEST_NAME} characters.")));
    }
    let email = Address::parse(&email).ok_or_else(|| Problem::invalid_request("email must be an email address."))?;
    Ok((name.to_owned(), email))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_address_are_wanted() {
        let (name, email) = wanted(br#"{"name":" Acme ","email":" Ann@Example.test "}"#).unwrap();
        assert_eq!((name.as_str(), email.given.as_str()), ("Acme", "Ann@Example.test"));
        assert_eq!(email.folded, "ann@example.test");
        for bad in [
            r#"{"name":" ","email":"a@b.test"}"#,
            r#"{"name":"a\nb","email":"a@b.test"}"#,
            r#"{"name":"Acme","email":"nobody"}"#,
            r#"{"name":"Acme"}"#,
        ] {
            assert!(wanted(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
