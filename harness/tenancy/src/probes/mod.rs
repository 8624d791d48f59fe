//! The probes, in order, and what they share: two tenants with rows, a record, an arena of one row.

mod access;
mod functions;
mod keys;
pub(crate) mod session;
mod tables;
mod views;

use std::collections::BTreeMap;

use overdraft_model::tenancy::{Finding, Object, Operation, Outcome, Probe, Report, Role, Rules, Severity, Standing};

use crate::{
    Error,
    belongs::Belongings,
    catalogue::{Catalogue, Relation, RoleRow},
    guess,
    rows::{Made, Maker, find},
    sql::literal,
    stage::{Attempt, Stage},
};

/// Version of the report's shape.
const FORMAT: u32 = 1;
/// A table with more rows is not emptied, even for the time of a savepoint.
const ARENA_ROWS: i64 = 10_000;

/// One run.
pub(crate) struct Prober<'a, 'c> {
    stage: Stage<'c>,
    catalogue: &'a Catalogue,
    belongings: &'a Belongings,
    maker: Maker<'a>,
    rules: &'a Rules,
    settings: Vec<String>,
    /// Who attacks, and whose rows must stay out of reach.
    tenants: [String; 2],
    /// Why a relation has no row of a tenant.
    missing: BTreeMap<(i64, String), String>,
    probes: Vec<Probe>,
    findings: Vec<Finding>,
    /// The worst standing that a role gave each relation.
    standings: BTreeMap<i64, Standing>,
    declared: BTreeMap<String, String>,
}

impl<'a, 'c> Prober<'a, 'c> {
    pub(crate) async fn run(
        mut stage: Stage<'c>,
        rules: &'a Rules,
        outlives: Vec<session::Outlives>,
    ) -> Result<Report, Error> {
        stage.must("SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '20s'").await?;
        stage.begin().await?;
        let replica = matches!(stage.attempt("SET LOCAL session_replication_role = replica").await?, Attempt::Done(_));
        stage.rewind().await?;
        stage.replica = replica;
        let catalogue = Catalogue::read(&mut stage).await?;
        let column = guess::tenant_column(&catalogue, rules)?;
        let settings = guess::settings(&catalogue);
        stage.enter = guess::enter(&catalogue, rules, &settings, &column)?;
        let roles = guess::roles(&catalogue, rules)?;
        let belongings = Belongings::find(&catalogue, &column);
        let maker = Maker::new(&catalogue, &belongings);
        let mut prober = Prober {
            stage,
            catalogue: &catalogue,
            belongings: &belongings,
            maker,
            rules,
            settings,
            tenants: [String::new(), String::new()],
            missing: BTreeMap::new(),
            probes: Vec::new(),
            findings: Vec::new(),
            standings: BTreeMap::new(),
            declared: BTreeMap::new(),
        };
        prober.choose_tenants(&column).await?;
        prober.populate().await?;
        for role in roles.iter().filter(|role| role.probed) {
            let Some(role) = catalogue.role(&role.name) else { continue };
            prober.role(role).await?;
            prober.control(role);
        }
        prober.without_force().await?;
        prober.outlives(outlives);
        prober.report(column, roles).await
    }

    async fn role(&mut self, role: &RoleRow) -> Result<(), Error> {
        self.standing_of(role);
        let catalogue = self.catalogue;
        for relation in &catalogue.relations {
            match relation.kind.as_str() {
                "r" | "p" | "f" => self.table(role, relation).await?,
                "v" | "m" => self.view(role, relation).await?,
                _ => self.sequence(role, relation).await?,
            }
        }
        for key in &catalogue.foreign_keys {
            self.foreign_key(role, key).await?;
            self.cascade(role, key).await?;
        }
        for unique in &catalogue.uniques {
            self.unique(role, unique).await?;
        }
        self.functions(role).await
    }

    /// Two tenants that have rows in most tables; made up where there are none.
    async fn choose_tenants(&mut self, column: &str) -> Result<(), Error> {
        let mut rows: BTreeMap<String, usize> = BTreeMap::new();
        let mut example = None;
        for relation in self.catalogue.relations.iter().filter(|relation| relation.is_table() && !relation.partition) {
            let Some(own) = self.belongings.column(relation).and_then(|number| relation.column(number)) else {
                continue;
            };
            if own.name == column || example.is_none() {
                example = Some(own);
            }
            let name = crate::sql::ident(&own.name);
            let sql = format!(
                "SELECT DISTINCT s.t FROM (SELECT x.{name}::text AS t FROM {} x WHERE x.{name} IS NOT NULL LIMIT 5000) s
                 ORDER BY 1 LIMIT 50",
                relation.sql()
            );
            self.stage.begin().await?;
            if let Attempt::Done(_) = self.stage.attempt(&sql).await? {
                for tenant in self.stage.rows::<String>(&sql).await? {
                    *rows.entry(tenant).or_default() += 1;
                }
            }
            self.stage.rewind().await?;
        }
        let mut known: Vec<(String, usize)> = rows.into_iter().collect();
        known.sort_by(|one, other| other.1.cmp(&one.1).then(one.0.cmp(&other.0)));
        let mut tenants: Vec<String> = known.into_iter().map(|(tenant, _)| tenant).take(2).collect();
        let example = example.ok_or(Error::NoTenantColumn)?;
        while tenants.len() < 2 {
            let number = self.maker.next();
            let sql = crate::values::fresh(example, number).ok_or(Error::NoTenantColumn)?;
            tenants.push(self.stage.one::<String>(&format!("SELECT ({sql})::text")).await?);
        }
        if let [one, other] = tenants.as_slice() {
            self.tenants = [one.clone(), other.clone()];
        }
        Ok(())
    }

    /// Sees to it that both tenants have a row everywhere, the tenants' own table first.
    async fn populate(&mut self) -> Result<(), Error> {
        let catalogue = self.catalogue;
        let mut relations: Vec<&Relation> = catalogue.relations.iter().filter(|relation| relation.is_table()).collect();
        relations.sort_by_key(|relation| (self.belongings.root != Some(relation.oid), relation.partition));
        for tenant in self.tenants.clone() {
            for relation in &relations {
                let condition = self.belongings.condition(catalogue, relation, "x", &tenant);
                let Some(condition) = condition else { continue };
                if find(&mut self.stage, relation, &condition).await?.is_none()
                    && let Err(why) = self.maker.make(&mut self.stage, relation, &tenant).await?
                {
                    self.missing.insert((relation.oid, tenant.clone()), why);
                }
            }
        }
        Ok(())
    }

    fn attacker(&self) -> String {
        self.tenants[0].clone()
    }

    fn victim(&self) -> String {
        self.tenants[1].clone()
    }

    /// Why there is no row of a tenant, if there is none.
    fn why_missing(&self, relation: &Relation, tenant: &str) -> Option<String> {
        self.missing.get(&(relation.oid, tenant.to_owned())).map(|why| format!("no row of a second tenant: {why}"))
    }

    /// The condition that a row `x` is the victim's.
    fn of(&self, relation: &Relation, tenant: &str) -> Option<String> {
        self.belongings.condition(self.catalogue, relation, "x", tenant)
    }

    /// How many rows a tenant has, as the login sees it.
    async fn count(&mut self, relation: &Relation, tenant: &str) -> Result<i64, Error> {
        let Some(condition) = self.of(relation, tenant) else { return Ok(0) };
        self.stage.one(&format!("SELECT count(*) FROM {} x WHERE {condition}", relation.sql())).await
    }

    /// Empties the table but for one new row of the tenant. Undone with the probe.
    async fn arena(&mut self, relation: &Relation, tenant: &str) -> Result<Result<Made, String>, Error> {
        let limit = ARENA_ROWS + 1;
        let rows = format!("SELECT count(*) FROM (SELECT 1 FROM {} x LIMIT {limit}) s", relation.sql());
        if self.stage.one::<i64>(&rows).await? > ARENA_ROWS {
            return Ok(Err(format!("more than {ARENA_ROWS} rows: not emptied for the probe")));
        }
        if let Err(why) = self.empty(relation).await? {
            return Ok(Err(why));
        }
        self.maker.make(&mut self.stage, relation, tenant).await
    }

    async fn empty(&mut self, relation: &Relation) -> Result<Result<(), String>, Error> {
        match self.stage.as_replica(&format!("DELETE FROM {}", relation.sql())).await? {
            Attempt::Done(_) => Ok(Ok(())),
            Attempt::Refused(refusal) => Ok(Err(refusal.say())),
        }
    }

    fn record(&mut self, role: &str, object: &str, operation: Operation, outcome: Outcome, sql: &str, seen: String) {
        let (role, object, statement) = (role.to_owned(), object.to_owned(), sql.to_owned());
        self.probes.push(Probe { role, object, operation, outcome, statement, seen });
    }

    fn finding(&mut self, severity: Severity, kind: &str, object: &str, what: String, shown: String, remedy: &str) {
        let known =
            self.findings.iter().any(|known| known.kind == kind && known.object == object && known.what == what);
        if !known {
            let (kind, object, remedy) = (kind.to_owned(), object.to_owned(), remedy.to_owned());
            self.findings.push(Finding { severity, kind, object, what, shown, remedy });
        }
    }

    /// A reason why a name may reach across tenants, and a note that it was used.
    fn allowed(&mut self, name: &str) -> bool {
        let bare = name.split('(').next().unwrap_or(name);
        let Some((_, reason)) = self.rules.allow.get_key_value(name).or_else(|| self.rules.allow.get_key_value(bare))
        else {
            return false;
        };
        self.declared.insert(name.to_owned(), reason.clone());
        true
    }

    fn stand(&mut self, relation: &Relation, standing: Standing) {
        let worst = self.standings.entry(relation.oid).or_insert(standing);
        // Declared in the order of what a reader must know first; unknown is last and never hides a leak.
        if standing < *worst {
            *worst = standing;
        }
    }

    /// Proof that the probes were inside a tenant at all: one must have seen its own row.
    fn control(&mut self, role: &RoleRow) {
        let saw = self.probes.iter().any(|probe| {
            probe.role == role.name && probe.operation == Operation::Select && probe.seen.contains("of its own")
        });
        if !saw {
            let seen = "no table showed the tenant a row of its own, so nothing proves that it was entered";
            let enter = self.stage.enter.clone();
            self.record(&role.name, "every table", Operation::Select, Outcome::NotExercised, &enter, seen.to_owned());
        }
    }

    async fn report(mut self, tenant_column: String, roles: Vec<Role>) -> Result<Report, Error> {
        let login: String = self.stage.one("SELECT session_user::text").await?;
        let mut limits = Vec::new();
        let unbound = self.catalogue.role(&login).is_some_and(|role| role.superuser || role.bypasses);
        if !unbound {
            limits.push(format!(
                "{login} is neither a superuser nor BYPASSRLS: rows of tables that force row-level security were made \
                 and counted only as far as their policies let it"
            ));
        }
        if !self.stage.replica {
            limits.push(format!(
                "{login} may not set session_replication_role: triggers and foreign keys were in the way of making rows"
            ));
        }
        let mut objects = Vec::new();
        for relation in self.catalogue.relations.iter().filter(|relation| relation.kind != "S") {
            let policies = self.catalogue.policies.iter().filter(|policy| policy.relation == relation.oid);
            objects.push(Object {
                name: relation.label(),
                kind: relation.kind_word().to_owned(),
                standing: self.standings.get(&relation.oid).copied().unwrap_or(Standing::Unknown),
                owner: self.belongings.say(self.catalogue, relation),
                security: security(relation).to_owned(),
                policies: policies.map(crate::catalogue::Policy::say).collect(),
            });
        }
        self.findings.sort_by(|one, other| {
            (one.severity, &one.kind, &one.object).cmp(&(other.severity, &other.kind, &other.object))
        });
        Ok(Report {
            format: FORMAT,
            database: self.stage.one("SELECT current_database()::text").await?,
            server: self.stage.one("SELECT current_setting('server_version')").await?,
            login,
            limits,
            tenant_column,
            enter: self.stage.enter.clone(),
            roles,
            objects,
            probes: self.probes,
            findings: self.findings,
            declared: self.declared,
        })
    }

    /// The columns of a relation for which a role has a privilege.
    async fn privileged(&mut self, role: &str, relation: &Relation, privilege: &str) -> Result<Vec<i16>, Error> {
        let text: String = self
            .stage
            .one(&format!(
                "SELECT coalesce(json_agg(attnum), '[]')::text FROM pg_attribute WHERE attrelid = {oid}
                 AND attnum > 0 AND NOT attisdropped AND has_column_privilege({role}, {oid}::oid, attnum, '{privilege}')",
                oid = relation.oid,
                role = literal(role),
            ))
            .await?;
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

fn security(relation: &Relation) -> &'static str {
    match (relation.kind.as_str(), relation.secured, relation.forced) {
        ("v", ..) if is_invoker(relation) => "security_invoker",
        ("v" | "m", ..) => "reads as its owner",
        (_, true, true) => "forced",
        (_, true, false) => "enabled, not forced",
        _ => "off",
    }
}

fn is_invoker(relation: &Relation) -> bool {
    ["security_invoker=true", "security_invoker=on", "security_invoker=1"]
        .iter()
        .any(|on| relation.options.contains(on))
}
