//! Changes a migrated database as a defect says, or not at all.

use sqlx::{AssertSqlSafe, PgConnection};

use super::Defect;
use super::planted::Change;
use crate::error::Error;

/// As `migrations/0090_privileges.sql` does: what a defect has created works as what was there before.
const HAND_OVER: &str = "
GRANT CREATE ON SCHEMA public TO marketplace_money;
DO $$
DECLARE
    v_function regprocedure;
BEGIN
    FOR v_function IN
        SELECT p.oid::regprocedure FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proowner <> 'marketplace_money'::regrole
          AND p.oid <> 'enqueue(text, json, timestamptz)'::regprocedure
          AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
        EXECUTE format('ALTER FUNCTION %s OWNER TO marketplace_money', v_function);
    END LOOP;
END $$;
REVOKE CREATE ON SCHEMA public FROM marketplace_money;";

impl Defect {
    /// Applies its changes in the caller's db_tx.
    pub(crate) async fn change(self, database: &mut PgConnection) -> Result<(), Error> {
        for change in self.0.overlay {
            match change {
                Change::Sql(sql) => {
                    sqlx::raw_sql(*sql).execute(&mut *database).await?;
                }
                Change::In { function, replace, with } => {
                    let edited = self.edit(database, function, replace, with).await?;
                    sqlx::raw_sql(AssertSqlSafe(edited)).execute(&mut *database).await?;
                }
            }
        }
        sqlx::raw_sql(HAND_OVER).execute(&mut *database).await?;
        Ok(())
    }

    /// The definition of the one function that has the text, changed.
    async fn edit(
        self,
        database: &mut PgConnection,
        function: &'static str,
        text: &'static str,
        with: &str,
    ) -> Result<String, Error> {
        let definitions: Vec<String> = sqlx::query_scalar(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname = $1",
        )
        .bind(function)
        .fetch_all(database)
        .await?;
        let found = definitions.iter().map(|definition| definition.matches(text).count()).sum();
        match definitions.iter().find(|definition| definition.contains(text)) {
            Some(definition) if found == 1 => Ok(definition.replacen(text, with, 1)),
            _ => Err(Error::Overlay { defect: self.name(), function, text, found }),
        }
    }
}
