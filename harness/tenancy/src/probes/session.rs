//! Settings that outlive the request: the next one on the same pooled connection would be inside its tenant.
//!
//! This is seen at the end of a db_tx only, so it is tried in db_txs of its own. They are READ ONLY and commit:
//! nothing can remain but the setting, which is reset.

use overdraft_model::tenancy::{Operation, Outcome, Rules, Severity};
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};

use super::Prober;
use crate::{
    Error,
    catalogue::{Catalogue, Function},
    guess,
    sql::{ident, literal},
    stage::Stage,
    values,
};

/// One way to enter a tenant, and what was left of it.
#[derive(Debug)]
pub(crate) struct Outlives {
    object: String,
    role: String,
    statement: String,
    /// The setting that outlived, if one did.
    setting: Option<String>,
    /// Why it could not be tried, if it could not.
    refused: Option<String>,
}

/// Tries how a tenant is entered, and every function that enters one.
pub(crate) async fn settings_outlive(connection: &mut PgConnection, rules: &Rules) -> Result<Vec<Outlives>, Error> {
    raw(connection, "BEGIN READ ONLY").await?;
    let catalogue = Catalogue::read(&mut Stage::new(connection)).await;
    raw(connection, "ROLLBACK").await?;
    let catalogue = catalogue?;
    let settings = guess::settings(&catalogue);
    let column = guess::tenant_column(&catalogue, rules)?;
    let enter = guess::enter(&catalogue, rules, &settings, &column)?;
    let roles = guess::roles(&catalogue, rules)?;
    let example = catalogue.relations.iter().find_map(|relation| relation.named(&column));
    let tenant = example.and_then(|column| values::fresh(column, 1)).unwrap_or_else(|| "'1'".into());
    let tenant = tenant.split("::").next().unwrap_or("'1'").to_owned();
    let mut found = Vec::new();
    for role in roles.iter().filter(|role| role.probed) {
        let statement = enter.replace("$1", &tenant);
        found.push(left(connection, "how a tenant is entered", &role.name, statement, &settings, false).await?);
        for function in catalogue.functions.iter().filter(|function| enters(function, &settings)) {
            let allowed =
                format!("SELECT has_function_privilege({}, {}::oid, 'EXECUTE')", literal(&role.name), function.oid);
            if !connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(allowed))).await?.try_get::<bool, _>(0)? {
                continue;
            }
            let arguments: Vec<String> = function
                .types
                .iter()
                .map(|of_type| {
                    let same = example.is_some_and(|column| column.base == *of_type) || of_type == "text";
                    if same { format!("{tenant}::{of_type}") } else { format!("NULL::{of_type}") }
                })
                .collect();
            let name = format!("{}.{}", ident(&function.schema), ident(&function.name));
            let statement = format!("SELECT {name}({})", arguments.join(", "));
            let mut one = left(connection, &function.label(), &role.name, statement, &settings, true).await?;
            // Where the call was refused, its source still says for how long it sets.
            if one.refused.is_some() {
                one.setting = settings.iter().find(|name| sets_for_good(&function.source, name)).cloned();
                if one.setting.is_some() {
                    one.statement = format!("source of {}", function.label());
                } else {
                    one.refused = None;
                }
            }
            found.push(one);
        }
    }
    Ok(found)
}

fn enters(function: &Function, settings: &[String]) -> bool {
    let source = function.source.to_lowercase();
    let sets = source.contains("set_config(") || source.contains("set ");
    function.callable
        && sets
        && settings.iter().any(|name| source.contains(&name.to_lowercase()))
        && (source.contains("set_config(") || settings.iter().any(|name| sets_for_good(&source, name)))
}

/// Whether a source sets a setting for the session rather than the db_tx.
fn sets_for_good(source: &str, setting: &str) -> bool {
    let (source, setting) = (source.to_lowercase(), setting.to_lowercase());
    let configured = source.split("set_config(").skip(1).any(|rest| {
        let call = rest.split(';').next().unwrap_or("");
        let named = call.contains(&format!("'{setting}'"));
        named && call.replace(' ', "").contains(",false)")
    });
    let plain = ["set ", "set session "].iter().any(|set| {
        let statement = format!("{set}{setting}");
        // A function's own SET clause ends with the call; it is written with TO.
        source.split(statement.as_str()).skip(1).any(|rest| rest.trim_start().starts_with('='))
    });
    configured || plain
}

/// Runs a statement in a db_tx that commits, and looks what is left.
async fn left(
    connection: &mut PgConnection,
    object: &str,
    role: &str,
    statement: String,
    settings: &[String],
    as_role: bool,
) -> Result<Outlives, Error> {
    raw(connection, "BEGIN READ ONLY").await?;
    let become_role = if as_role { format!("SET LOCAL ROLE {}; ", ident(role)) } else { String::new() };
    let tried = connection.execute(sqlx::raw_sql(AssertSqlSafe(format!("{become_role}{statement}")))).await;
    let refused = match tried {
        Ok(_) => None,
        Err(error) if error.as_database_error().is_some() => Some(error.to_string()),
        Err(error) => return Err(error.into()),
    };
    raw(connection, if refused.is_some() { "ROLLBACK" } else { "COMMIT" }).await?;
    let mut setting = None;
    for name in settings {
        let look = format!("SELECT coalesce(current_setting({}, true), '')", literal(name));
        let value: String = connection.fetch_one(sqlx::raw_sql(AssertSqlSafe(look))).await?.try_get(0)?;
        if !value.is_empty() {
            setting = Some(name.clone());
            let quoted: Vec<String> = name.split('.').map(ident).collect();
            raw(connection, &format!("RESET {}", quoted.join("."))).await?;
        }
    }
    Ok(Outlives { object: object.to_owned(), role: role.to_owned(), statement, setting, refused })
}

async fn raw(connection: &mut PgConnection, sql: &str) -> Result<(), Error> {
    connection.execute(sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))).await?;
    Ok(())
}

impl Prober<'_, '_> {
    /// Records what was tried before, and what roles and databases keep.
    pub(super) fn outlives(&mut self, found: Vec<Outlives>) {
        for one in found {
            let Outlives { object, role, statement, setting, refused } = one;
            let (outcome, seen) = match (&setting, refused) {
                (Some(name), Some(why)) => (Outcome::Leaked, format!("sets {name} for the session; not called: {why}")),
                (Some(name), None) => (Outcome::Leaked, format!("after COMMIT {name} was still set")),
                // A function may need more than we can give it; whoever enters a tenant is tried by its statement.
                (None, Some(why)) => (Outcome::NotExercised, why),
                (None, None) => (Outcome::Held, "nothing was set after the end of its db_tx".to_owned()),
            };
            if outcome == Outcome::Leaked {
                let what = format!(
                    "{object} sets the tenant for the session: the next request on the connection is inside it"
                );
                let remedy = "SET LOCAL, or set_config(name, value, true)";
                let shown = format!("`{statement}`: {seen}");
                self.finding(Severity::Leak, "setting-outlives", &object, what, shown, remedy);
            }
            self.record(&role, &object, Operation::Setting, outcome, &statement, seen);
        }
        let stored: Vec<String> = self.catalogue.stored_settings.clone();
        for kept in stored {
            let name = kept.split('=').next().unwrap_or_default().to_owned();
            if self.settings.contains(&name) && kept.len() > name.len() + 1 {
                let what = format!("{name} is kept by a role or database: every session begins inside a tenant");
                let remedy = "ALTER ROLE or ALTER DATABASE … RESET it";
                self.finding(Severity::Leak, "setting-stored", &name, what, kept, remedy);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sets_for_good;

    #[test]
    fn only_what_outlives_the_db_tx_is_for_good() {
        assert!(sets_for_good("PERFORM set_config('app.t', p::text, false);", "app.t"));
        assert!(sets_for_good("EXECUTE 'SET app.t = ' || quote_literal(p);", "app.t"));
        assert!(!sets_for_good("PERFORM set_config('app.t', p::text, true);", "app.t"));
        assert!(!sets_for_good("SET LOCAL app.t = 'x';", "app.t"));
        assert!(!sets_for_good("PERFORM set_config('app.other', p, false);", "app.t"));
        assert!(!sets_for_good("CREATE FUNCTION f() SET app.t TO 'x' AS", "app.t"));
    }
}
