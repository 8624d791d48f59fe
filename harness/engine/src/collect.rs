//! Reads the evidence: the target's database by the target file's SQL, and the providers' ledgers.

use std::collections::{BTreeMap, HashMap};

use overdraft_model::{
    evidence::{
        Account, Adjustment, Commission, Database, DeadLetter, Entry, Evidence, Expiry, Grant, Job, Lead, Purchase,
        Reversal, Settled, StatusRow, Tenancy, Violations,
    },
    manifest::World,
    promises::Invariant,
    target::EvidenceQueries,
    tenancy::Rules,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::{fill::plain, provision::Environment};

/// Why evidence could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The database refused a query.
    #[error("target file, evidence.{table}: the database refused the query: {problem}")]
    Query {
        /// The evidence table.
        table: &'static str,
        /// What it said.
        problem: sqlx::Error,
    },
    /// A row has not the columns that it should.
    #[error("target file, evidence.{table}: {problem} in the row {row}")]
    Row {
        /// The evidence table.
        table: &'static str,
        /// What was expected.
        problem: serde_json::Error,
        /// The row as JSON.
        row: String,
    },
}

/// Reads all evidence of one scenario.
///
/// # Errors
/// Fails if a mapped query fails or returns other columns.
pub async fn collect(
    scenario: &str,
    environment: &Environment,
    queries: &EvidenceQueries,
    world: &World,
    session: &mut PgConnection,
    settled: Settled,
) -> Result<Evidence, CollectError> {
    Ok(Evidence {
        scenario: scenario.to_owned(),
        settled,
        database: database(queries, world, session).await?,
        provider: environment.stripe.ledger(),
        email: environment.email.ledger(),
        invariants: BTreeMap::new(),
        tenancy: None,
        memory: None,
    })
}

/// Rows that are kept of an invariant's violations; the rest is only counted.
const KEPT: usize = 20;
/// How long an invariant's query may take.
const WITHIN: &str = "SET LOCAL statement_timeout = '30s'";

/// Runs every invariant's query, each in a db_tx of its own that may only read. One that fails says so in its place,
/// because it is the target file's mistake and spoils no other evidence.
pub async fn invariants(invariants: &[Invariant], session: &mut PgConnection) -> BTreeMap<String, Violations> {
    let mut all = BTreeMap::new();
    for invariant in invariants {
        let found = violations(&invariant.sql, session).await;
        let found = found.unwrap_or_else(|problem| Violations::Failed(problem.to_string()));
        all.insert(invariant.name.clone(), found);
    }
    all
}

async fn violations(sql: &str, session: &mut PgConnection) -> Result<Violations, sqlx::Error> {
    let mut db_tx = session.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    db_tx.execute(WITHIN).await?;
    let rows = subquery(sql);
    let total: i64 = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {rows} AS violation")))
        .fetch_one(&mut *db_tx)
        .await?;
    let statement = format!("SELECT to_jsonb(violation) FROM {rows} AS violation LIMIT {KEPT}");
    let rows: Vec<Value> = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&mut *db_tx).await?;
    db_tx.rollback().await?;
    Ok(Violations::Found { total: u64::try_from(total).unwrap_or_default(), rows })
}

/// A query of the target file's as a table. It ends with a line of its own, or its last comment would hide what follows.
fn subquery(sql: &str) -> String {
    format!("(\n{}\n)", sql.trim().trim_end_matches(';'))
}

/// Probes the database for leaks between tenants, as its owner, in a db_tx that is rolled back.
pub async fn tenancy(database_url: &str, rules: &Rules) -> Tenancy {
    let probed = async {
        let mut session = PgConnection::connect(database_url).await.map_err(|error| error.to_string())?;
        overdraft_tenancy::probe(&mut session, rules).await.map_err(|error| error.to_string())
    };
    match probed.await {
        Ok(report) => Tenancy::Probed(Box::new(report)),
        Err(problem) => Tenancy::Failed(problem),
    }
}

async fn database(
    queries: &EvidenceQueries,
    world: &World,
    session: &mut PgConnection,
) -> Result<Database, CollectError> {
    let names = Names::of(world);
    let mut read = Reader { session, names: &names };
    Ok(Database {
        accounts: read.rows::<Account>("accounts", queries.accounts.as_ref()).await?,
        entries: read.rows::<Entry>("entries", queries.entries.as_ref()).await?,
        leads: read.rows::<Lead>("leads", queries.leads.as_ref()).await?,
        purchases: read.rows::<Purchase>("purchases", queries.purchases.as_ref()).await?,
        commissions: read.rows::<Commission>("commissions", queries.commissions.as_ref()).await?,
        grants: read.rows::<Grant>("grants", queries.grants.as_ref()).await?,
        reversals: read.rows::<Reversal>("reversals", queries.reversals.as_ref()).await?,
        expiries: read.rows::<Expiry>("expiries", queries.expiries.as_ref()).await?,
        adjustments: read.rows::<Adjustment>("adjustments", queries.adjustments.as_ref()).await?,
        statuses: read.rows::<StatusRow>("statuses", queries.statuses.as_ref()).await?,
        dead_letters: read.rows::<DeadLetter>("dead_letters", queries.dead_letters.as_ref()).await?,
        jobs: read.rows::<Job>("jobs", queries.jobs.as_ref()).await?,
    })
}

/// The run's names by the target's ids. An id that is not ours stays as it is.
struct Names {
    workspaces: HashMap<String, String>,
    leads: HashMap<String, String>,
}

impl Names {
    fn of(world: &World) -> Self {
        let workspaces = world.workspaces.iter();
        let leads = world.leads.iter();
        Self {
            workspaces: workspaces.filter_map(|w| Some((plain(w.values.get("id")?), w.name.clone()))).collect(),
            leads: leads.filter_map(|lead| Some((plain(lead.values.get("id")?), lead.name.clone()))).collect(),
        }
    }

    fn apply(&self, row: &mut Value) {
        for (column, names) in [("workspace", &self.workspaces), ("lead", &self.leads)] {
            let name = row.get(column).and_then(Value::as_str).and_then(|id| names.get(id));
            if let Some(name) = name {
                row[column] = Value::from(name.clone());
            }
        }
    }
}

struct Reader<'a> {
    session: &'a mut PgConnection,
    names: &'a Names,
}

impl Reader<'_> {
    async fn rows<T: DeserializeOwned>(
        &mut self,
        table: &'static str,
        query: Option<&String>,
    ) -> Result<Option<Vec<T>>, CollectError> {
        let Some(query) = query else { return Ok(None) };
        let statement = format!("SELECT to_jsonb(evidence) FROM {} AS evidence", subquery(query));
        let rows: Vec<Value> = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_all(&mut *self.session)
            .await
            .map_err(|problem| CollectError::Query { table, problem })?;
        rows.into_iter()
            .map(|mut row| {
                self.names.apply(&mut row);
                let text = row.to_string();
                serde_json::from_value(row).map_err(|problem| CollectError::Row { table, problem, row: text })
            })
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_at_the_end_of_a_query_hides_nothing_behind_it() {
        for sql in ["SELECT 1 -- one", " SELECT 1; ", "SELECT 1\n-- one;\n"] {
            let as_table = subquery(sql);
            assert_eq!(as_table.lines().last(), Some(")"), "{as_table}");
            assert!(!as_table.contains(';'), "{as_table}");
        }
    }

    #[test]
    fn ids_become_the_runs_names_and_strangers_stay() {
        let workspace = overdraft_model::manifest::Workspace {
            name: "buyer-1".into(),
            role: "buyer".into(),
            credits: 0,
            values: [("id".to_owned(), Value::from("uuid-1"))].into(),
        };
        let names = Names::of(&World { workspaces: vec![workspace], ..World::default() });
        let mut row = serde_json::json!({"workspace": "uuid-1", "lead": "uuid-9"});
        names.apply(&mut row);
        assert_eq!(row, serde_json::json!({"workspace": "buyer-1", "lead": "uuid-9"}));
    }
}
