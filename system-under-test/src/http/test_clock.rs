//! `PUT /test-clock`: moves this instance's clock. Routed only where `serve --test-clock` asked for it.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::App;
use super::request::json as parse;
use crate::problem::Problem;

#[derive(Deserialize)]
struct NewClock {
    /// How far ahead of the computer's clock, in milliseconds; negative is behind.
    ahead_ms: i64,
}

/// Answers with the time that it is now.
pub(crate) async fn set(State(app): State<Arc<App>>, body: Bytes) -> Result<Json<Value>, Problem> {
    let NewClock { ahead_ms } = parse(&body)?;
    app.clock.set_ahead(ahead_ms);
    Ok(Json(json!({ "now": app.clock.now() })))
}
