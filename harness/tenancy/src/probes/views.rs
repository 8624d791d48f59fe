//! Views and materialized views: does what a tenant reads change with another tenant's rows?

use overdraft_model::tenancy::{Operation, Outcome, Severity, Standing};

use super::{Prober, is_invoker};
use crate::{
    Error,
    catalogue::{Relation, RoleRow},
    sql::{ident, literal},
    stage::Refusal,
};

/// What a view showed: a digest of all rows, and how many name the other tenant.
type Shown = Result<(String, i64), Refusal>;

impl Prober<'_, '_> {
    pub(super) async fn view(&mut self, role: &RoleRow, relation: &Relation) -> Result<(), Error> {
        let sql = format!("SELECT count(*), md5(string_agg(x::text, ',' ORDER BY x::text)) FROM {} x", relation.sql());
        let inside = self.differ(role, relation, true).await?;
        self.judge_view(role, relation, Operation::Select, &sql, inside).await?;
        let outside = self.differ(role, relation, false).await?;
        self.judge_view(role, relation, Operation::SelectOutside, &sql, outside).await
    }

    /// What the role sees before and after the other tenant gets more rows.
    async fn differ(&mut self, role: &RoleRow, relation: &Relation, inside: bool) -> Result<(Shown, Shown), Error> {
        self.stage.begin().await?;
        let mut seen = Vec::new();
        for more in [false, true] {
            if more {
                self.more_of_the_victim(role).await?;
            }
            if relation.kind == "m" {
                let _ = self.stage.attempt(&format!("REFRESH MATERIALIZED VIEW {}", relation.sql())).await?;
            }
            seen.push(self.show(role, relation, inside).await?);
        }
        self.stage.rewind().await?;
        match (seen.pop(), seen.pop()) {
            (Some(after), Some(before)) => Ok((before, after)),
            _ => Err(Error::Database(sqlx::Error::RowNotFound)),
        }
    }

    async fn show(&mut self, role: &RoleRow, relation: &Relation, inside: bool) -> Result<Shown, Error> {
        let (attacker, victim) = (self.attacker(), self.victim());
        let named = self.belongings.column(relation).and_then(|number| relation.column(number));
        let named = named
            .map_or_else(|| "false".into(), |column| format!("x.{}::text = {}", ident(&column.name), literal(&victim)));
        let sql = format!(
            "SELECT json_build_array(coalesce(md5(string_agg(x::text, ',' ORDER BY x::text)), ''),
                                     count(*) FILTER (WHERE {named}))::text FROM {} x",
            relation.sql()
        );
        let seen = match self.stage.become_role(&role.name, inside.then_some(attacker.as_str())).await? {
            Some(refusal) => Err(refusal),
            None => self.stage.look::<String>(&sql).await?,
        };
        self.stage.back().await?;
        Ok(seen.map(|text| serde_json::from_str(&text).unwrap_or_default()))
    }

    /// One more row of the victim in every table that is not shared.
    pub(super) async fn more_of_the_victim(&mut self, role: &RoleRow) -> Result<(), Error> {
        let (catalogue, victim) = (self.catalogue, self.victim());
        for relation in catalogue.relations.iter().filter(|relation| relation.is_table() && !relation.partition) {
            if self.belongings.of(relation).is_some()
                && self.belongings.root != Some(relation.oid)
                && !self.shared(role, relation)
            {
                let _ = self.maker.make(&mut self.stage, relation, &victim).await?;
            }
        }
        Ok(())
    }

    async fn judge_view(
        &mut self,
        role: &RoleRow,
        relation: &Relation,
        operation: Operation,
        sql: &str,
        (before, after): (Shown, Shown),
    ) -> Result<(), Error> {
        let label = relation.label();
        let inside = operation == Operation::Select;
        let (outcome, standing, seen) = match (before, after) {
            (Err(refusal), _) | (_, Err(refusal)) if refusal.is_denial() || !inside => {
                (Outcome::Held, Standing::Internal, refusal.say())
            }
            (Err(refusal), _) | (_, Err(refusal)) => (Outcome::NotExercised, Standing::Unknown, refusal.say()),
            (Ok(before), Ok(after)) => {
                let changed = before != after;
                if (changed || after.1 > 0) && !self.over_shared_only(role, relation).await? {
                    let seen = match after.1 {
                        0 => "what it shows changed when another tenant got rows".to_owned(),
                        rows => format!("{rows} rows of another tenant"),
                    };
                    (Outcome::Leaked, Standing::Leaking, seen)
                } else if changed || after.1 > 0 {
                    (Outcome::Declared, Standing::Shared, "shows shared tables only".to_owned())
                } else {
                    (Outcome::Held, Standing::Isolated, "the same, whatever another tenant has".to_owned())
                }
            }
        };
        let (outcome, standing) = match outcome {
            Outcome::Leaked if self.allowed(&label) => (Outcome::Declared, Standing::Shared),
            other => (other, standing),
        };
        if outcome == Outcome::Leaked {
            let (kind, remedy) = match relation.kind.as_str() {
                "m" => {
                    ("materialized-view", "take the grant away: its rows are a copy, and no policy can be put on it")
                }
                _ if is_invoker(relation) => ("view", "see which of its tables leaks"),
                _ => ("plain-view", "ALTER VIEW … SET (security_invoker = true): a plain view reads as its owner"),
            };
            let what = format!("{} reads other tenants' rows through {} {label}", role.name, relation.kind_word());
            self.finding(Severity::Leak, kind, &label, what, format!("`{sql}`: {seen}"), remedy);
        }
        if inside || standing == Standing::Leaking {
            self.stand(relation, standing);
        }
        self.record(&role.name, &label, operation, outcome, sql, seen);
        Ok(())
    }

    /// Whether every table of tenants' rows that a view reads is shared.
    async fn over_shared_only(&mut self, role: &RoleRow, relation: &Relation) -> Result<bool, Error> {
        let catalogue = self.catalogue;
        let reads: String = self
            .stage
            .one(&format!(
                "SELECT coalesce(json_agg(DISTINCT d.refobjid::bigint), '[]')::text
                 FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid WHERE d.classid = 'pg_rewrite'::regclass
                 AND r.ev_class = {oid} AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> {oid}",
                oid = relation.oid
            ))
            .await?;
        let reads: Vec<i64> = serde_json::from_str(&reads).unwrap_or_default();
        for oid in reads {
            let Some(read) = catalogue.relation(oid) else { continue };
            if self.belongings.of(read).is_some() && !self.shared(role, read) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
