//! What looks past every policy: foreign keys, what they do on delete, and unique indexes.

use overdraft_model::tenancy::{Operation, Outcome, Severity};

use super::{Prober, tables::chosen};
use crate::{
    Error,
    belongs::Belongs,
    catalogue::{Column, ForeignKey, Relation, RoleRow, Unique},
    rows::{Made, Values, insert, insert_sql},
    sql::{ident, literal},
    stage::Attempt,
};

impl Prober<'_, '_> {
    /// Both ends, if rows of both belong to tenants and the key is more than the reference to the tenant, or to the
    /// row that says whose row it is.
    fn ends(&self, key: &ForeignKey) -> Option<(Relation, Relation)> {
        let (child, parent) = (self.catalogue.relation(key.child)?, self.catalogue.relation(key.parent)?);
        let (owner, _) = (self.belongings.of(child)?, self.belongings.of(parent)?);
        let through = matches!(owner, Belongs::Through(one) if one.name == key.name);
        let ours = !through && !self.belongings.ties(self.catalogue, key) && child.is_table();
        ours.then(|| (child.clone(), parent.clone()))
    }

    pub(super) async fn foreign_key(&mut self, role: &RoleRow, key: &ForeignKey) -> Result<(), Error> {
        let Some((child, parent)) = self.ends(key) else { return Ok(()) };
        let (attacker, victim) = (self.attacker(), self.victim());
        let object = format!("{}.{} -> {}", child.label(), key.name, parent.label());
        self.stage.begin().await?;
        let made = match self.maker.make_apart(&mut self.stage, &parent, &victim).await? {
            Ok(theirs) => self.arena(&child, &attacker).await?.map(|own| (own, theirs)),
            Err(why) => Err(why),
        };
        let (own, theirs) = match made {
            Ok(made) => made,
            Err(why) => {
                self.stage.rewind().await?;
                self.record(&role.name, &object, Operation::ForeignKey, Outcome::NotExercised, "", why);
                return Ok(());
            }
        };
        let inserts = self.privileged(&role.name, &child, "INSERT").await?;
        let updates = self.privileged(&role.name, &child, "UPDATE").await?;
        let aim = self.aim(key, &child, &parent, &theirs);
        let by_update = inserts.is_empty() && aim.keys().any(|number| updates.contains(number));
        let mut set = chosen(&child, &own, &[]);
        set.extend(aim.clone());
        let sql = if by_update {
            let set: Vec<String> =
                aim.iter().filter_map(|(n, sql)| Some(format!("{} = {sql}", ident(&child.column(*n)?.name)))).collect();
            format!("UPDATE {} x SET {}", child.sql(), set.join(", "))
        } else {
            let emptied = self.empty(&child).await?;
            if let Err(why) = emptied {
                self.stage.rewind().await?;
                self.record(&role.name, &object, Operation::ForeignKey, Outcome::NotExercised, "", why);
                return Ok(());
            }
            let may = |number: &i16| inserts.is_empty() || inserts.contains(number);
            insert_sql(&child, &set.iter().filter(|(n, _)| may(n)).map(|(n, sql)| (*n, sql.clone())).collect())
        };
        let attempt = match self.stage.become_role(&role.name, Some(&attacker)).await? {
            Some(refusal) => Attempt::Refused(refusal),
            None => self.stage.attempt(&sql).await?,
        };
        self.stage.back().await?;
        // Where no role may write it, functions do: what would the schema itself say?
        let schema = match &attempt {
            Attempt::Refused(refusal) if refusal.is_denial() && !by_update => {
                matches!(insert(&mut self.stage, &child, &set).await?, Attempt::Done(_))
            }
            _ => false,
        };
        self.stage.rewind().await?;
        let readable = self.shared(role, &parent);
        let (outcome, seen) = match attempt {
            Attempt::Done(1..) if readable => {
                (Outcome::Declared, "accepted, and the row referred to is shared".to_owned())
            }
            Attempt::Done(1..) => (Outcome::Leaked, "accepted: a row refers to another tenant's".to_owned()),
            Attempt::Done(_) => (Outcome::Held, "0 rows".to_owned()),
            Attempt::Refused(refusal) if refusal.is_denial() || refusal.code == "23503" => {
                (Outcome::Held, refusal.say())
            }
            Attempt::Refused(refusal) => (Outcome::NotExercised, refusal.say()),
        };
        let remedy = "make the tenant a part of the key: FOREIGN KEY (tenant, id) REFERENCES parent (tenant, id)";
        if outcome == Outcome::Leaked && !self.allowed(&child.label()) {
            let what =
                format!("{} refers from {} to another tenant's row of {}", role.name, child.label(), parent.label());
            self.finding(Severity::Leak, "foreign-key", &object, what, format!("`{sql}`: {seen}"), remedy);
        } else if schema && !readable {
            let what = format!(
                "a row of {} may refer to another tenant's row of {}; {} itself may not write it, a function might",
                child.label(),
                parent.label(),
                role.name
            );
            let shown = "the same insert, as the login with every constraint on, was accepted".to_owned();
            self.finding(Severity::Information, "foreign-key-in-schema", &object, what, shown, remedy);
        }
        self.record(&role.name, &object, Operation::ForeignKey, outcome, &sql, seen);
        Ok(())
    }

    /// The columns of the key, but for the tenant's own, as they refer to the other's row.
    fn aim(&self, key: &ForeignKey, child: &Relation, parent: &Relation, theirs: &Made) -> Values {
        let tenant = self.belongings.column(child);
        let pairs = key.columns.iter().zip(&key.refers).filter(|(own, _)| Some(**own) != tenant);
        pairs.filter_map(|(own, refers)| Some((*own, theirs.sql(parent, *refers)?))).collect()
    }

    pub(super) async fn cascade(&mut self, role: &RoleRow, key: &ForeignKey) -> Result<(), Error> {
        let Some((child, parent)) = self.ends(key).filter(|_| matches!(key.on_delete.as_str(), "c" | "n" | "d")) else {
            return Ok(());
        };
        let (attacker, victim) = (self.attacker(), self.victim());
        let object = format!("{}.{} -> {}", child.label(), key.name, parent.label());
        self.stage.begin().await?;
        let made = match self.maker.make_apart(&mut self.stage, &parent, &attacker).await? {
            Ok(own) => self.arena(&child, &victim).await?.map(|theirs| (own, theirs)),
            Err(why) => Err(why),
        };
        let made = match made {
            Ok(made) => self.empty(&child).await?.map(|()| made),
            Err(why) => Err(why),
        };
        let (own, theirs) = match made {
            Ok(made) => made,
            Err(why) => {
                self.stage.rewind().await?;
                self.record(&role.name, &object, Operation::Cascade, Outcome::NotExercised, "", why);
                return Ok(());
            }
        };
        let mut set = chosen(&child, &theirs, &[]);
        set.extend(self.aim(key, &child, &parent, &own));
        let linked = insert(&mut self.stage, &child, &set).await?;
        let matching: Vec<String> = key
            .refers
            .iter()
            .filter_map(|number| {
                Some(format!("x.{} = {}", ident(&parent.column(*number)?.name), own.sql(&parent, *number)?))
            })
            .collect();
        let sql = format!("DELETE FROM {} x WHERE {}", parent.sql(), matching.join(" AND "));
        let attempt = match self.stage.become_role(&role.name, Some(&attacker)).await? {
            Some(refusal) => Attempt::Refused(refusal),
            None => self.stage.attempt(&sql).await?,
        };
        self.stage.back().await?;
        let set: Vec<String> = key
            .columns
            .iter()
            .filter_map(|number| child.column(*number))
            .filter(|column| !column.required)
            .map(|column| format!("x.{} IS NULL", ident(&column.name)))
            .collect();
        let nulled = if key.on_delete == "c" || set.is_empty() { "false".into() } else { set.join(" OR ") };
        let condition = self.of(&child, &victim).unwrap_or_else(|| "true".into());
        let whole: i64 = self
            .stage
            .one(&format!("SELECT count(*) FROM {} x WHERE {condition} AND NOT ({nulled})", child.sql()))
            .await?;
        self.stage.rewind().await?;
        let (outcome, seen) = match (linked, attempt) {
            (Attempt::Refused(refusal), _) if refusal.code == "23503" => {
                (Outcome::Held, format!("the key does not lead across tenants: {}", refusal.say()))
            }
            (_, Attempt::Refused(refusal)) if refusal.is_denial() || refusal.code == "23503" => {
                (Outcome::Held, refusal.say())
            }
            (Attempt::Refused(refusal), _) | (_, Attempt::Refused(refusal)) => (Outcome::NotExercised, refusal.say()),
            (_, Attempt::Done(0)) => (Outcome::Held, "0 rows deleted".to_owned()),
            (_, Attempt::Done(_)) if whole == 0 => {
                (Outcome::Leaked, "another tenant's row was deleted or changed with it".to_owned())
            }
            (_, Attempt::Done(_)) => (Outcome::Held, "another tenant's row is as it was".to_owned()),
        };
        if outcome == Outcome::Leaked {
            let what = format!(
                "{}, deleting its own row of {}, reaches another tenant's of {}",
                role.name,
                parent.label(),
                child.label()
            );
            let remedy = "make the tenant a part of the key, so that no other tenant's row hangs on it";
            self.finding(Severity::Leak, "cascade", &object, what, format!("`{sql}`: {seen}"), remedy);
        }
        self.record(&role.name, &object, Operation::Cascade, outcome, &sql, seen);
        Ok(())
    }

    /// A duplicate of a value that only another tenant has.
    pub(super) async fn unique(&mut self, role: &RoleRow, unique: &Unique) -> Result<(), Error> {
        let catalogue = self.catalogue;
        let Some(relation) = catalogue.relation(unique.relation).filter(|relation| relation.is_table()) else {
            return Ok(());
        };
        let tenant = self.belongings.column(relation);
        if self.belongings.of(relation).is_none() || unique.columns.iter().any(|number| Some(*number) == tenant) {
            return Ok(());
        }
        let (attacker, victim) = (self.attacker(), self.victim());
        self.stage.begin().await?;
        let condition = self.of(relation, &victim).unwrap_or_else(|| "false".into());
        let theirs = crate::rows::find(&mut self.stage, relation, &condition).await?;
        self.stage.begin().await?;
        let own = self.maker.make_apart(&mut self.stage, relation, &attacker).await?;
        self.stage.rewind().await?;
        let inserts = self.privileged(&role.name, relation, "INSERT").await?;
        let row = match (theirs, own) {
            (Some(theirs), Ok(own)) => Ok((theirs, own)),
            (None, _) => Err(self.why_missing(relation, &victim).unwrap_or_else(|| "no row of a second tenant".into())),
            (_, Err(why)) => Err(why),
        };
        let (set, why) = match row {
            Ok((theirs, own)) => {
                let mut set = chosen(relation, &own, &inserts);
                for number in &unique.columns {
                    if let Some(sql) = theirs.sql(relation, *number) {
                        set.insert(*number, sql);
                    }
                }
                (set, None)
            }
            Err(why) => (unique.columns.iter().map(|number| (*number, literal("1"))).collect(), Some(why)),
        };
        let sql = insert_sql(relation, &set);
        let attempt = match self.stage.become_role(&role.name, Some(&attacker)).await? {
            Some(refusal) => Attempt::Refused(refusal),
            None => insert(&mut self.stage, relation, &set).await?,
        };
        self.stage.rewind().await?;
        let bare = unique.name.rsplit('.').next().unwrap_or(&unique.name).trim_matches('"').to_owned();
        let (outcome, seen) = match (attempt, why) {
            (Attempt::Refused(refusal), _) if refusal.is_denial() => (Outcome::Held, refusal.say()),
            (_, Some(why)) => (Outcome::NotExercised, why),
            (Attempt::Refused(refusal), _) if refusal.constraint.as_deref() == Some(bare.as_str()) => {
                (Outcome::Leaked, refusal.say())
            }
            (Attempt::Refused(refusal), _) if refusal.code == "23505" => {
                (Outcome::Held, format!("another index refused it first: {}", refusal.say()))
            }
            (Attempt::Refused(refusal), _) => (Outcome::NotExercised, refusal.say()),
            (Attempt::Done(_), _) if unique.partial => (Outcome::Held, "the index does not cover this row".to_owned()),
            (Attempt::Done(_), _) => (Outcome::Held, "accepted: it tells nothing".to_owned()),
        };
        let object = format!("{} ({})", relation.label(), bare);
        let mut outcome = outcome;
        if outcome == Outcome::Leaked {
            outcome = self.unique_finding(role, relation, unique, &object, &sql, &seen);
        }
        self.record(&role.name, &object, Operation::Unique, outcome, &sql, seen);
        Ok(())
    }

    /// How much a duplicate tells depends on whether its value can be guessed.
    fn unique_finding(
        &mut self,
        role: &RoleRow,
        relation: &Relation,
        unique: &Unique,
        object: &str,
        sql: &str,
        seen: &str,
    ) -> Outcome {
        if self.shared(role, relation) || self.allowed(object) {
            return Outcome::Declared;
        }
        let columns: Vec<&Column> = unique.columns.iter().filter_map(|number| relation.column(*number)).collect();
        let random = columns.iter().any(|column| column.base == "uuid");
        let counted =
            columns.iter().all(|c| c.defaults && matches!(c.base.as_str(), "bigint" | "integer" | "smallint"));
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let (severity, more) = if random {
            (Severity::Information, "; nobody guesses the UUID in it")
        } else if counted {
            (Severity::Weakness, "; the numbers tell how many rows all tenants have")
        } else {
            (Severity::Leak, "")
        };
        let what =
            format!("{} learns from a duplicate of ({}) that another tenant has it{more}", role.name, names.join(", "));
        let remedy =
            "make the tenant the first column of the unique index, or insert through a function that tells nothing";
        self.finding(severity, "unique-oracle", object, what, format!("`{sql}`: {seen}"), remedy);
        if severity == Severity::Leak { Outcome::Leaked } else { Outcome::Declared }
    }
}
