//! What a role is, rather than what it was seen to do; sequences; and tables whose owner no policy binds.

use overdraft_model::tenancy::{Operation, Outcome, Severity};

use super::Prober;
use crate::{
    Error,
    catalogue::{Catalogue, Relation, RoleRow},
    sql::literal,
};

impl Prober<'_, '_> {
    pub(super) fn standing_of(&mut self, role: &RoleRow) {
        let name = &role.name;
        if role.superuser || role.bypasses {
            let shown = format!("rolsuper = {}, rolbypassrls = {}", role.superuser, role.bypasses);
            let remedy = "run requests as a role that is NOSUPERUSER and NOBYPASSRLS";
            self.finding(Severity::Leak, "role-unbound", name, format!("no policy binds {name}"), shown, remedy);
        }
        let owned: Vec<String> =
            self.catalogue.relations.iter().filter(|r| r.is_table() && r.owner == *name).map(Relation::label).collect();
        if !owned.is_empty() {
            let what = format!("{name} owns tables, so it may switch their row-level security off");
            let remedy = "let another role own the tables";
            self.finding(Severity::Weakness, "role-owns", name, what, owned.join(", "), remedy);
        }
        let beyond: Vec<&str> =
            role.becomes.iter().filter(|other| beyond(self.catalogue, other)).map(String::as_str).collect();
        if !beyond.is_empty() {
            let what = format!("{name} may SET ROLE to one that no tenant confines");
            let remedy = "take the membership away: what can inject SQL can change the role";
            self.finding(Severity::Weakness, "role-becomes", name, what, beyond.join(", "), remedy);
        }
        if !role.logs_in {
            let what = format!(
                "{name} cannot log in: sessions become it by SET ROLE, and can go back to what they logged in as"
            );
            let remedy = "where it matters, give it a login of its own, so that RESET ROLE leads nowhere";
            self.finding(Severity::Information, "role-set", name, what, "rolcanlogin = false".into(), remedy);
        }
    }

    pub(super) async fn sequence(&mut self, role: &RoleRow, relation: &Relation) -> Result<(), Error> {
        let label = relation.label();
        let sql = format!(
            "SELECT has_sequence_privilege({role}, {oid}::oid, 'USAGE, SELECT, UPDATE')",
            role = literal(&role.name),
            oid = relation.oid
        );
        let open: bool = self.stage.one(&sql).await?;
        let (outcome, seen) = match open {
            true => (Outcome::Declared, "granted; not advanced, because no rollback brings a number back"),
            false => (Outcome::Held, "no right on it"),
        };
        if open {
            let what = format!("{} reads from {label} how many rows all tenants make", role.name);
            let remedy = "use random UUIDs, or let a function draw the number, where the volume is a secret";
            self.finding(Severity::Information, "sequence", &label, what, format!("`{sql}`: true"), remedy);
        }
        self.record(&role.name, &label, Operation::Sequence, outcome, &sql, seen.to_owned());
        Ok(())
    }

    /// Tables whose owner skips the policies: the owner is tried inside a tenant.
    pub(super) async fn without_force(&mut self) -> Result<(), Error> {
        let (catalogue, attacker, victim) = (self.catalogue, self.attacker(), self.victim());
        for relation in catalogue.relations.iter().filter(|r| r.is_table() && r.secured && !r.forced) {
            let Some(theirs) = self.of(relation, &victim) else { continue };
            let (label, owner) = (relation.label(), &relation.owner);
            let sql = format!("SELECT count(*) FROM {} x WHERE {theirs}", relation.sql());
            self.stage.begin().await?;
            let seen = match self.stage.become_role(owner, Some(&attacker)).await? {
                Some(refusal) => Err(refusal),
                None => self.stage.look::<i64>(&sql).await?,
            };
            self.stage.rewind().await?;
            let what = format!("{label} does not force row-level security: its policies do not bind its owner {owner}");
            let remedy = "ALTER TABLE … FORCE ROW LEVEL SECURITY, and let requests run as a role that owns nothing";
            let (severity, shown) = match seen {
                Ok(rows) if rows > 0 && !relation.owner_unbound => {
                    (Severity::Leak, format!("`{sql}` as {owner}, inside another tenant: {rows} rows"))
                }
                Ok(rows) => (Severity::Weakness, format!("{owner} is bound by no policy anyway ({rows} rows seen)")),
                Err(refusal) => (Severity::Weakness, format!("not tried as {owner}: {}", refusal.say())),
            };
            self.finding(severity, "no-force", &label, what, shown, remedy);
        }
        Ok(())
    }
}

/// Whether a role sees more than one tenant.
fn beyond(catalogue: &Catalogue, name: &str) -> bool {
    let Some(role) = catalogue.role(name) else { return false };
    let owns = catalogue.relations.iter().any(|relation| relation.is_table() && relation.owner == role.name);
    let open = catalogue
        .policies
        .iter()
        .any(|policy| policy.roles.contains(&role.name) && policy.is_open() && policy.command == "*");
    role.superuser || role.bypasses || owns || open
}
