//! Creates the workspaces and leads of a scenario in the target, by the statements or requests of its file.

use std::{collections::BTreeMap, time::Duration};

use overdraft_model::{
    manifest::World,
    operation::Outcome,
    target::{Action, Target},
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Column, Connection, PgConnection, Row};

use crate::{
    fill::{self, Values},
    http::{self, PrepareError},
    values,
};

/// How long one request of the setup may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Why the world could not be created.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// A placeholder stands for nothing.
    #[error("target file, {place}: {problem}")]
    Fill {
        /// Which part of the file.
        place: String,
        /// Which placeholder.
        problem: fill::FillError,
    },
    /// The database refused a statement.
    #[error("target file, {place}: the database refused `{statement}`: {problem}")]
    Sql {
        /// Which part of the file.
        place: String,
        /// The statement.
        statement: String,
        /// What it said.
        problem: sqlx::Error,
    },
    /// The service refused a request.
    #[error("target file, {place}: {problem}")]
    Http {
        /// Which part of the file.
        place: String,
        /// What it said.
        problem: String,
    },
}

/// Runs plain statements, each on its own.
pub(super) async fn execute(database_url: &str, statements: &[String]) -> Result<(), WorldError> {
    if statements.is_empty() {
        return Ok(());
    }
    open(database_url, statements, "database.sql").await.map(drop)
}

/// Creates everything, and completes the world's values with what the setup captured.
pub(super) async fn create(
    target: &Target,
    database_url: &str,
    base_url: &str,
    client: &reqwest::Client,
    world: &mut World,
) -> Result<(), WorldError> {
    let needs_sql = {
        let setup = &target.setup;
        setup.admin.iter().chain(&setup.workspace).chain(&setup.lead).any(|a| matches!(a, Action::Sql(_)))
    };
    let mut session = match needs_sql {
        true => Some(open(database_url, &target.setup.session, "setup.session").await?),
        false => None,
    };
    let mut begun = Statements { session: session.as_mut(), base_url, client };
    begun.run("BEGIN").await?;
    if !world.admin.is_empty() {
        let captured = begun.all("setup.admin", &target.setup.admin, values::of_admin(world)).await?;
        world.admin.extend(captured);
    }
    for workspace in &mut world.workspaces {
        let captured = begun.all("setup.workspace", &target.setup.workspace, values::of_workspace(workspace)).await?;
        workspace.values.extend(captured);
    }
    for at in 0..world.leads.len() {
        let known = values::of_lead_and_partner(world, &world.leads[at]);
        let captured = begun.all("setup.lead", &target.setup.lead, known).await?;
        world.leads[at].values.extend(captured);
    }
    begun.run("COMMIT").await
}

struct Statements<'a> {
    session: Option<&'a mut PgConnection>,
    base_url: &'a str,
    client: &'a reqwest::Client,
}

impl Statements<'_> {
    async fn run(&mut self, statement: &'static str) -> Result<(), WorldError> {
        let Some(session) = self.session.as_deref_mut() else { return Ok(()) };
        sqlx::raw_sql(statement).execute(session).await.map(|_| ()).map_err(|problem| WorldError::Sql {
            place: "setup".into(),
            statement: statement.into(),
            problem,
        })
    }

    async fn all(
        &mut self,
        place: &str,
        actions: &[Action],
        mut values: Values,
    ) -> Result<BTreeMap<String, Value>, WorldError> {
        let mut captured = BTreeMap::new();
        let prefix = format!("{}.", place.trim_start_matches("setup."));
        for action in actions {
            let new = match action {
                Action::Sql(action) => self.sql(place, &action.sql, &values).await?,
                Action::Http(operation) => {
                    let wrong = |problem: String| WorldError::Http { place: place.into(), problem };
                    let request = http::prepare(operation, &values, self.base_url)
                        .map_err(|error: PrepareError| wrong(error.to_string()))?;
                    let told = http::send(self.client, &request, operation, 0, ANSWER_WITHIN).await;
                    if told.outcome != Outcome::Ok {
                        return Err(wrong(format!("{} {} answered {}", request.method, request.url, told.answer)));
                    }
                    told.answer.fields.into_iter().collect()
                }
            };
            for (name, value) in new {
                values.insert(format!("{prefix}{name}"), value.clone());
                captured.insert(name, value);
            }
        }
        Ok(captured)
    }

    async fn sql(&mut self, place: &str, template: &str, values: &Values) -> Result<Vec<(String, Value)>, WorldError> {
        let (statement, bound) =
            fill::sql(template, values).map_err(|problem| WorldError::Fill { place: place.into(), problem })?;
        let Some(session) = self.session.as_deref_mut() else { return Ok(vec![]) };
        let mut query = sqlx::query(AssertSqlSafe(statement.clone()));
        for text in bound {
            query = query.bind(text);
        }
        let rows = query.fetch_all(session).await.map_err(|problem| WorldError::Sql {
            place: place.into(),
            statement,
            problem,
        })?;
        let Some(row) = rows.first() else { return Ok(vec![]) };
        Ok(row
            .columns()
            .iter()
            .filter_map(|column| Some((column.name().to_owned(), captured(row, column.ordinal())?)))
            .collect())
    }
}

/// Only texts and whole numbers are captured; a function that returns void or a row is not.
fn captured(row: &sqlx::postgres::PgRow, at: usize) -> Option<Value> {
    row.try_get::<String, _>(at)
        .map(Value::from)
        .or_else(|_| row.try_get::<i64, _>(at).map(Value::from))
        .or_else(|_| row.try_get::<i32, _>(at).map(Value::from))
        .or_else(|_| row.try_get::<uuid::Uuid, _>(at).map(|id| Value::from(id.to_string())))
        .ok()
}

/// Opens a session and runs its first statements.
pub(crate) async fn open(url: &str, first: &[String], place: &str) -> Result<PgConnection, WorldError> {
    let wrong = |statement: &str| {
        let (place, statement) = (place.to_owned(), statement.to_owned());
        move |problem| WorldError::Sql { place, statement, problem }
    };
    let mut session = PgConnection::connect(url).await.map_err(wrong("connect"))?;
    for statement in first {
        sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut session).await.map_err(wrong(statement))?;
    }
    Ok(session)
}
