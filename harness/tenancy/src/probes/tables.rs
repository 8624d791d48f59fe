//! Read, insert, update, move, delete and truncate, on every table and partition.

use overdraft_model::tenancy::{Operation, Outcome, Severity, Standing};

use super::Prober;
use crate::{
    Error,
    catalogue::{Relation, RoleRow},
    rows::{Made, Values, insert, insert_sql},
    sql::{ident, literal},
    stage::{Attempt, Refusal},
};

/// What a statement did to another tenant, in words and as an outcome.
struct Told {
    outcome: Outcome,
    seen: String,
}

impl Prober<'_, '_> {
    pub(super) async fn table(&mut self, role: &RoleRow, relation: &Relation) -> Result<(), Error> {
        let label = relation.label();
        if self.belongings.of(relation).is_none() {
            return self.common(role, relation).await;
        }
        self.select(role, relation, true).await?;
        self.select(role, relation, false).await?;
        if relation.is_table() {
            self.insert(role, relation).await?;
            self.change(role, relation, Operation::Update).await?;
            self.change(role, relation, Operation::Move).await?;
            self.change(role, relation, Operation::Delete).await?;
        }
        self.truncate(role, relation, &label).await
    }

    /// A table whose rows belong to nobody: whoever may read it reads all of it.
    async fn common(&mut self, role: &RoleRow, relation: &Relation) -> Result<(), Error> {
        let sql = format!("SELECT count(*) FROM {} x", relation.sql());
        self.stage.begin().await?;
        if !self.catalogue.policies.iter().any(|policy| policy.relation == relation.oid) && relation.is_table() {
            let tenant = self.attacker();
            let none: i64 = self.stage.one(&sql).await?;
            if none == 0 {
                let _ = self.maker.make(&mut self.stage, relation, &tenant).await?;
            }
        }
        let there: i64 = self.stage.look(&sql).await?.unwrap_or(0);
        let attacker = self.attacker();
        let entered = self.stage.become_role(&role.name, Some(&attacker)).await?;
        let seen = match entered {
            Some(refusal) => Err(refusal),
            None => self.stage.look::<i64>(&sql).await?,
        };
        self.stage.rewind().await?;
        let label = relation.label();
        let (outcome, standing, text) = match seen {
            Err(refusal) if refusal.is_denial() => (Outcome::Held, Standing::Internal, refusal.say()),
            Err(refusal) => (Outcome::NotExercised, Standing::Unknown, refusal.say()),
            Ok(0) if there > 0 => (Outcome::Held, Standing::Internal, "sees no row".into()),
            Ok(0) if relation.secured => (Outcome::Held, Standing::Internal, "sees no row; there is none".into()),
            Ok(rows) => {
                (Outcome::Declared, Standing::Shared, format!("sees {rows} of {there} rows, which have no tenant"))
            }
        };
        if standing == Standing::Shared {
            let writes = !self.privileged(&role.name, relation, "UPDATE").await?.is_empty()
                || !self.privileged(&role.name, relation, "INSERT").await?.is_empty();
            let severity = if writes && !relation.secured { Severity::Weakness } else { Severity::Information };
            if !self.allowed(&label) {
                self.finding(
                    severity,
                    "without-tenant",
                    &label,
                    format!(
                        "rows of {label} have no tenant, and {} reads{} all of them",
                        role.name,
                        if writes { " and writes" } else { "" }
                    ),
                    format!("`{sql}`: {text}"),
                    "if it is not meant for all, give it the tenant column and a policy, or take the grant away",
                );
            }
        }
        self.stand(relation, standing);
        self.record(&role.name, &label, Operation::Select, outcome, &sql, text);
        self.truncate(role, relation, &label).await
    }

    /// Whether everybody may read a table, by a policy that says so and nothing else, or by declaration.
    pub(super) fn shared(&mut self, role: &RoleRow, relation: &Relation) -> bool {
        let listing = self
            .catalogue
            .policies_of(relation, role)
            .find(|policy| policy.command == "r" && policy.permissive && policy.using.as_deref() == Some("true"))
            .map(|policy| policy.name.clone());
        if let Some(policy) = listing {
            let reason = format!("policy `{policy}` is for select only, to all rows");
            self.declared.insert(relation.label(), reason);
            return true;
        }
        self.allowed(&relation.label())
    }

    async fn select(&mut self, role: &RoleRow, relation: &Relation, inside: bool) -> Result<(), Error> {
        let (attacker, victim) = (self.attacker(), self.victim());
        let operation = if inside { Operation::Select } else { Operation::SelectOutside };
        let others = self.count(relation, &victim).await?;
        let theirs = self.places(relation, &victim).await?;
        let own = self.places(relation, &attacker).await?;
        let sql = format!("SELECT count(*) FROM {} x WHERE {theirs}", relation.sql());
        self.stage.begin().await?;
        let entered = self.stage.become_role(&role.name, inside.then_some(attacker.as_str())).await?;
        let (seen, control) = match entered {
            Some(refusal) => (Err(refusal), 0),
            None => {
                let seen = self.stage.look::<i64>(&sql).await?;
                let own = format!("SELECT count(*) FROM {} x WHERE {own}", relation.sql());
                (seen, self.stage.look::<i64>(&own).await?.unwrap_or(0))
            }
        };
        self.stage.rewind().await?;
        let seen = match seen {
            Err(refusal) if refusal.is_denial() => self.by_any_column(role, relation, inside, refusal).await?,
            other => other,
        };
        let label = relation.label();
        let missing = self.why_missing(relation, &victim);
        let told = match seen {
            Err(refusal) if refusal.is_denial() || !inside => {
                self.stand_if(relation, inside, Standing::Internal);
                Told { outcome: Outcome::Held, seen: refusal.say() }
            }
            Err(refusal) => Told { outcome: Outcome::NotExercised, seen: refusal.say() },
            Ok(rows) if rows > 0 => {
                let seen = format!("{rows} of {others} rows of another tenant");
                let shared = self.shared(role, relation);
                self.stand_if(relation, true, if shared { Standing::Shared } else { Standing::Leaking });
                if shared {
                    Told { outcome: Outcome::Declared, seen: format!("{seen}, and {control} of its own") }
                } else {
                    self.read_finding(role, relation, &sql, &seen, inside);
                    Told { outcome: Outcome::Leaked, seen }
                }
            }
            Ok(_) if missing.is_some() => Told { outcome: Outcome::NotExercised, seen: missing.unwrap_or_default() },
            Ok(_) if others == 0 => {
                Told { outcome: Outcome::NotExercised, seen: "the login sees no row of a second tenant".into() }
            }
            Ok(_) => {
                let standing = if control > 0 { Standing::Isolated } else { Standing::Internal };
                self.stand_if(relation, inside, standing);
                Told {
                    outcome: Outcome::Held,
                    seen: format!("0 of {others} rows of another tenant, {control} of its own"),
                }
            }
        };
        self.record(&role.name, &label, operation, told.outcome, &sql, told.seen);
        Ok(())
    }

    fn stand_if(&mut self, relation: &Relation, condition: bool, standing: Standing) {
        if condition {
            self.stand(relation, standing);
        }
    }

    fn read_finding(&mut self, role: &RoleRow, relation: &Relation, sql: &str, seen: &str, inside: bool) {
        let label = relation.label();
        let (kind, remedy) = match (relation.partition, relation.secured) {
            (true, false) => (
                "partition-child",
                "take the grant on the partition away, or give it policies of its own: those of the \
                  parent bind only who reads the parent",
            ),
            (_, false) => {
                ("no-row-security", "ALTER TABLE … ENABLE and FORCE ROW LEVEL SECURITY, with a policy by tenant")
            }
            _ if !inside => ("reads-outside", "make the policy false where no tenant is entered"),
            _ => ("reads-others", "make the policy compare the tenant column with the tenant that was entered"),
        };
        let inside = if inside { "inside its own tenant" } else { "without having entered a tenant" };
        let what = format!("{}, {inside}, reads rows of {label} that belong to another tenant", role.name);
        self.finding(Severity::Leak, kind, &label, what, format!("`{sql}`: {seen}"), remedy);
    }

    /// Where the rows of a tenant are: a condition that needs no right on another table.
    async fn places(&mut self, relation: &Relation, tenant: &str) -> Result<String, Error> {
        if let Some(column) = self.belongings.column(relation).and_then(|number| relation.column(number)) {
            return Ok(format!("x.{} = {}", ident(&column.name), literal(tenant)));
        }
        let condition = self.of(relation, tenant).unwrap_or_else(|| "false".into());
        let list: Option<String> = self
            .stage
            .one(&format!(
                "SELECT string_agg(format('(%s::oid, %L::tid)', s.o, s.c), ', ') FROM
                 (SELECT x.tableoid::bigint AS o, x.ctid::text AS c FROM {} x WHERE {condition} LIMIT 100) s",
                relation.sql()
            ))
            .await?;
        Ok(list.map_or_else(|| "false".into(), |list| format!("(x.tableoid, x.ctid) IN ({list})")))
    }

    /// Where only some columns are granted, and the tenant's is not among them: more rows than all others have.
    async fn by_any_column(
        &mut self,
        role: &RoleRow,
        relation: &Relation,
        inside: bool,
        refusal: Refusal,
    ) -> Result<Result<i64, Refusal>, Error> {
        let granted = self.privileged(&role.name, relation, "SELECT").await?;
        let Some(column) = granted.first().and_then(|number| relation.column(*number)) else {
            return Ok(Err(refusal));
        };
        let (attacker, victim) = (self.attacker(), self.victim());
        let all: i64 = self.stage.one(&format!("SELECT count(*) FROM {} x", relation.sql())).await?;
        let others = self.count(relation, &victim).await?;
        let sql = format!("SELECT count(*) FROM (SELECT x.{} FROM {} x) s", ident(&column.name), relation.sql());
        self.stage.begin().await?;
        let entered = self.stage.become_role(&role.name, inside.then_some(attacker.as_str())).await?;
        let seen = match entered {
            Some(refusal) => Err(refusal),
            None => self.stage.look::<i64>(&sql).await?,
        };
        self.stage.rewind().await?;
        Ok(seen.map(|rows| (rows - (all - others)).max(0)))
    }

    async fn insert(&mut self, role: &RoleRow, relation: &Relation) -> Result<(), Error> {
        let (attacker, victim, label) = (self.attacker(), self.victim(), relation.label());
        self.stage.begin().await?;
        let row = match self.arena(relation, &victim).await? {
            Ok(row) => {
                let emptied = self.empty(relation).await?;
                emptied.map(|()| row)
            }
            Err(_) => {
                self.stage.rewind().await?;
                self.stage.begin().await?;
                let row = self.maker.make_apart(&mut self.stage, relation, &victim).await?;
                self.stage.rewind().await?;
                self.stage.begin().await?;
                row
            }
        };
        let granted = self.privileged(&role.name, relation, "INSERT").await?;
        let set = row.as_ref().ok().map(|row| chosen(relation, row, &granted));
        let set = set.unwrap_or_else(|| self.only_tenant(relation, &victim));
        let sql = insert_sql(relation, &set);
        let before = self.count(relation, &victim).await?;
        let attempt = match self.stage.become_role(&role.name, Some(&attacker)).await? {
            Some(refusal) => Attempt::Refused(refusal),
            None => insert(&mut self.stage, relation, &set).await?,
        };
        self.stage.back().await?;
        let reached = self.count(relation, &victim).await? > before;
        self.stage.rewind().await?;
        let told = match (attempt, row) {
            (Attempt::Refused(refusal), _) if refusal.is_denial() => {
                Told { outcome: Outcome::Held, seen: refusal.say() }
            }
            (_, Err(why)) => Told { outcome: Outcome::NotExercised, seen: why },
            (Attempt::Refused(refusal), _) if refusal.is_constraint() && !relation.partition => {
                Told { outcome: Outcome::Leaked, seen: format!("every policy let it pass; {}", refusal.say()) }
            }
            (Attempt::Refused(refusal), _) => Told { outcome: Outcome::NotExercised, seen: refusal.say() },
            (Attempt::Done(_), _) if reached => {
                Told { outcome: Outcome::Leaked, seen: "1 row inserted for another tenant".into() }
            }
            (Attempt::Done(rows), _) => {
                Told { outcome: Outcome::Held, seen: format!("{rows} rows inserted, none for another tenant") }
            }
        };
        self.write_finding(role, relation, "inserts rows for another tenant", "inserts-for-others", &sql, &told);
        self.record(&role.name, &label, Operation::Insert, told.outcome, &sql, told.seen);
        Ok(())
    }

    fn only_tenant(&self, relation: &Relation, tenant: &str) -> Values {
        let number = self.belongings.column(relation).or_else(|| relation.columns.first().map(|column| column.number));
        number.map(|number| (number, literal(tenant))).into_iter().collect()
    }

    /// Update, move and delete: without a WHERE, which would need the right to read, on a table of one row.
    async fn change(&mut self, role: &RoleRow, relation: &Relation, operation: Operation) -> Result<(), Error> {
        let (attacker, victim, label) = (self.attacker(), self.victim(), relation.label());
        let moves = operation == Operation::Move;
        let whose = if moves { attacker.clone() } else { victim.clone() };
        self.stage.begin().await?;
        // Values of the victim, to move to.
        let target = match moves {
            true => self.maker.make(&mut self.stage, relation, &victim).await?.ok(),
            false => None,
        };
        let row = self.arena(relation, &whose).await?;
        let mut narrow = String::new();
        if row.is_err() {
            narrow = format!(" WHERE {}", self.places(relation, &whose).await?);
        }
        let granted = self.privileged(&role.name, relation, "UPDATE").await?;
        let statements = match operation {
            Operation::Delete => vec![format!("DELETE FROM {} x{narrow}", relation.sql())],
            Operation::Move => self.moves(relation, target.as_ref(), &granted, &victim, &narrow),
            _ => vec![update_sql(relation, row.as_ref().ok(), &granted, &narrow)],
        };
        let before = self.count(relation, &victim).await?;
        let mut tried = (statements.first().cloned().unwrap_or_default(), None);
        if let Some(refusal) = self.stage.become_role(&role.name, Some(&attacker)).await? {
            tried.1 = Some(Attempt::Refused(refusal));
        } else {
            for sql in statements {
                let attempt = self.stage.attempt(&sql).await?;
                let again = matches!(&attempt, Attempt::Refused(refusal) if refusal.is_constraint());
                tried = (sql, Some(attempt));
                if !again {
                    break;
                }
            }
        }
        self.stage.back().await?;
        let after = self.count(relation, &victim).await?;
        self.stage.rewind().await?;
        let (sql, attempt) = tried;
        let missing = row.err().filter(|_| before == 0 && !moves);
        let told = match (attempt, missing) {
            (Some(Attempt::Refused(refusal)), _) if refusal.is_denial() => {
                Told { outcome: Outcome::Held, seen: refusal.say() }
            }
            (None, _) => Told { outcome: Outcome::NotExercised, seen: "no row to move to".into() },
            (_, Some(why)) => Told { outcome: Outcome::NotExercised, seen: why },
            // An identity that is always generated takes no value from anybody.
            (Some(Attempt::Refused(refusal)), _) if (refusal.is_constraint() || refusal.code == "428C9") && moves => {
                Told { outcome: Outcome::Held, seen: format!("a constraint refused it: {}", refusal.say()) }
            }
            (Some(Attempt::Refused(refusal)), _) if refusal.is_constraint() => {
                Told { outcome: Outcome::Leaked, seen: format!("every policy let it pass; {}", refusal.say()) }
            }
            (Some(Attempt::Refused(refusal)), _) => Told { outcome: Outcome::NotExercised, seen: refusal.say() },
            (Some(Attempt::Done(0)), _) => Told { outcome: Outcome::Held, seen: "0 rows of another tenant".into() },
            (Some(Attempt::Done(_)), _) if moves && after <= before => {
                Told { outcome: Outcome::Held, seen: "no row moved to another tenant".into() }
            }
            (Some(Attempt::Done(rows)), _) => {
                Told { outcome: Outcome::Leaked, seen: format!("{rows} row(s) across the tenants") }
            }
        };
        let (does, kind) = match operation {
            Operation::Move => ("gives rows of its own to another tenant", "moves-to-others"),
            Operation::Delete => ("deletes rows of another tenant", "deletes-others"),
            _ => ("changes rows of another tenant", "updates-others"),
        };
        self.write_finding(role, relation, does, kind, &sql, &told);
        self.record(&role.name, &label, operation, told.outcome, &sql, told.seen);
        Ok(())
    }

    /// The tenant alone, then with every column that refers to something of the tenant's.
    fn moves(
        &self,
        relation: &Relation,
        target: Option<&Made>,
        granted: &[i16],
        victim: &str,
        narrow: &str,
    ) -> Vec<String> {
        let keys = self.catalogue.foreign_keys.iter().filter(|key| key.child == relation.oid);
        let referring: Vec<i16> = keys.flat_map(|key| key.columns.iter().copied()).collect();
        let tenant = self.belongings.column(relation);
        let assign = |number: i16| {
            let column = relation.column(number)?;
            let sql = if Some(number) == tenant { literal(victim) } else { target?.sql(relation, number)? };
            Some(format!("{} = {sql}", ident(&column.name)))
        };
        let mut all: Vec<i16> = referring.into_iter().chain(tenant).collect();
        all.sort_unstable();
        all.dedup();
        let may = |number: &i16| granted.is_empty() || granted.contains(number);
        let sets = [tenant.into_iter().collect(), all.into_iter().filter(may).collect::<Vec<i16>>()];
        let sets = sets.into_iter().map(|set| set.into_iter().filter_map(assign).collect::<Vec<_>>().join(", "));
        sets.filter(|set| !set.is_empty()).map(|set| format!("UPDATE {} x SET {set}{narrow}", relation.sql())).collect()
    }

    fn write_finding(&mut self, role: &RoleRow, relation: &Relation, does: &str, kind: &str, sql: &str, told: &Told) {
        if told.outcome != Outcome::Leaked {
            return;
        }
        let label = relation.label();
        self.finding(
            Severity::Leak,
            kind,
            &label,
            format!("{} {does} in {label}", role.name),
            format!("`{sql}`: {}", told.seen),
            "give the policy a WITH CHECK and a USING by tenant, or take the right away",
        );
    }

    async fn truncate(&mut self, role: &RoleRow, relation: &Relation, label: &str) -> Result<(), Error> {
        if !relation.is_table() {
            return Ok(());
        }
        let attacker = self.attacker();
        let mut sql = format!("TRUNCATE {}", relation.sql());
        self.stage.begin().await?;
        let mut attempt = match self.stage.become_role(&role.name, Some(&attacker)).await? {
            Some(refusal) => Attempt::Refused(refusal),
            None => self.stage.attempt(&sql).await?,
        };
        let referred = matches!(&attempt, Attempt::Refused(refusal) if refusal.code == "0A000");
        if referred {
            sql.push_str(" CASCADE");
            attempt = self.stage.attempt(&sql).await?;
        }
        self.stage.rewind().await?;
        let (outcome, seen) = match attempt {
            Attempt::Done(_) => (Outcome::Leaked, "every tenant's rows were gone".to_owned()),
            Attempt::Refused(refusal) if refusal.is_denial() && referred => {
                (Outcome::Leaked, format!("granted; only tables that refer to it were in the way: {}", refusal.say()))
            }
            Attempt::Refused(refusal) if refusal.is_denial() => (Outcome::Held, refusal.say()),
            Attempt::Refused(refusal) => (Outcome::NotExercised, refusal.say()),
        };
        if outcome == Outcome::Leaked {
            let what = format!("{} may truncate {label}: no policy is asked", role.name);
            let remedy = "REVOKE TRUNCATE; grant the rights that are needed, never ALL";
            self.finding(Severity::Leak, "truncate", label, what, format!("`{sql}`: {seen}"), remedy);
        }
        self.record(&role.name, label, Operation::Truncate, outcome, &sql, seen);
        Ok(())
    }
}

/// A row's values for the columns that may be given; all of them where none may.
pub(super) fn chosen(relation: &Relation, row: &Made, granted: &[i16]) -> Values {
    let columns = relation.columns.iter().filter(|column| !column.generated);
    let may = columns.filter(|column| granted.is_empty() || granted.contains(&column.number));
    may.filter_map(|column| Some((column.number, row.sql(relation, column.number)?))).collect()
}

/// Sets one column to the value that it has.
fn update_sql(relation: &Relation, row: Option<&Made>, granted: &[i16], narrow: &str) -> String {
    let mut columns: Vec<_> = relation.columns.iter().filter(|column| !column.generated).collect();
    columns.sort_by_key(|column| (column.fixed, !granted.contains(&column.number), column.required));
    let Some(column) = columns.first() else { return format!("UPDATE {} x SET x = x", relation.sql()) };
    let name = ident(&column.name);
    let same = row.and_then(|row| row.sql(relation, column.number)).unwrap_or_else(|| name.clone());
    format!("UPDATE {} x SET {name} = {same}{narrow}", relation.sql())
}
