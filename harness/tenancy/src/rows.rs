//! Makes rows of a tenant, from the catalogue alone: keys by their parents, the rest by a row that is there, or by type.

use std::collections::BTreeMap;

use crate::{
    Error,
    belongs::{Belongings, Belongs},
    catalogue::{Catalogue, Check, ForeignKey, Relation},
    sql::{ident, literal, quoted_texts, value},
    stage::{Attempt, Refusal, Stage},
    values,
};

/// Tries for one row.
const TRIES: usize = 80;
/// Parents of parents.
const DEPTH: usize = 8;

/// Values as SQL, by the number of the column.
pub(crate) type Values = BTreeMap<i16, String>;

/// A row, complete: every value as text.
#[derive(Debug, Clone)]
pub(crate) struct Made(pub(crate) BTreeMap<i16, Option<String>>);

impl Made {
    /// A value as SQL.
    pub(crate) fn sql(&self, relation: &Relation, number: i16) -> Option<String> {
        let column = relation.column(number)?;
        Some(value(self.0.get(&number)?.as_deref(), &column.of_type))
    }
}

/// Makes rows. Numbers its fresh values, so that the same database gets the same rows.
#[derive(Debug)]
pub(crate) struct Maker<'a> {
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) belongings: &'a Belongings,
    number: u32,
}

type Making<'f> = std::pin::Pin<Box<dyn Future<Output = Result<Result<Made, String>, Error>> + 'f>>;

impl<'a> Maker<'a> {
    pub(crate) fn new(catalogue: &'a Catalogue, belongings: &'a Belongings) -> Self {
        Self { catalogue, belongings, number: 0 }
    }

    pub(crate) fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// Makes one row of the tenant as the login. The reason, if it cannot.
    pub(crate) async fn make(
        &mut self,
        stage: &mut Stage<'_>,
        relation: &Relation,
        tenant: &str,
    ) -> Result<Result<Made, String>, Error> {
        self.make_under(stage, relation.clone(), tenant.to_owned(), false, 0).await
    }

    /// The same, with parents made for it alone.
    pub(crate) async fn make_apart(
        &mut self,
        stage: &mut Stage<'_>,
        relation: &Relation,
        tenant: &str,
    ) -> Result<Result<Made, String>, Error> {
        self.make_under(stage, relation.clone(), tenant.to_owned(), true, 0).await
    }

    fn make_under<'f>(
        &'f mut self,
        stage: &'f mut Stage<'_>,
        relation: Relation,
        tenant: String,
        apart: bool,
        depth: usize,
    ) -> Making<'f> {
        Box::pin(async move {
            if depth > DEPTH {
                return Ok(Err(format!("the parents of {} lead in a circle", relation.label())));
            }
            let catalogue = self.catalogue;
            let checks: Vec<&Check> = catalogue.checks.iter().filter(|check| check.relation == relation.oid).collect();
            let mut set = self.template(stage, &relation).await?;
            self.fill(&relation, &checks, &mut set);
            if let Err(why) = self.keys(stage, &relation, &tenant, apart, depth, &mut set).await? {
                return Ok(Err(why));
            }
            let mut turns: BTreeMap<i16, usize> = BTreeMap::new();
            let mut apart = apart;
            for _ in 0..TRIES {
                let refusal = match insert_returning(stage, &relation, &set).await? {
                    Ok(made) => return Ok(Ok(made)),
                    Err(refusal) => refusal,
                };
                match refusal.code.as_str() {
                    "23514" => {
                        let failed = checks.iter().find(|check| refusal.constraint.as_deref() == Some(&check.name));
                        let columns = match failed {
                            Some(check) => check.columns.clone(),
                            None => relation.columns.iter().map(|column| column.number).collect(),
                        };
                        let columns = self.free(&relation, &columns);
                        if !self.turn(&relation, &checks, &columns, &mut turns, &mut set) {
                            return Ok(Err(refusal.say()));
                        }
                    }
                    "23505" if self.has_no_fresh_value(&relation, &refusal) => {
                        let columns: Vec<i16> = relation.columns.iter().map(|column| column.number).collect();
                        let mut columns = self.free(&relation, &columns);
                        columns.retain(|number| {
                            relation.column(*number).is_some_and(|column| values::allowed(column, &checks).is_some())
                        });
                        if !self.turn(&relation, &checks, &columns, &mut turns, &mut set) {
                            return Ok(Err(refusal.say()));
                        }
                    }
                    "23505" => {
                        self.fill(&relation, &checks, &mut set);
                        if let Err(why) = self.keys(stage, &relation, &tenant, apart, depth, &mut set).await? {
                            return Ok(Err(why));
                        }
                        if std::mem::replace(&mut apart, true) {
                            return Ok(Err(refusal.say()));
                        }
                        if let Err(why) = self.keys(stage, &relation, &tenant, true, depth, &mut set).await? {
                            return Ok(Err(why));
                        }
                    }
                    _ => return Ok(Err(refusal.say())),
                }
            }
            Ok(Err(format!("no values for {} pass its checks after {TRIES} tries", relation.label())))
        })
    }

    /// The values of any row that is there: they pass every check.
    async fn template(&self, stage: &mut Stage<'_>, relation: &Relation) -> Result<Values, Error> {
        let Some(row) = find(stage, relation, "true").await? else { return Ok(Values::new()) };
        let filled = relation.columns.iter().filter(|column| !column.generated);
        Ok(filled.filter_map(|column| Some((column.number, row.sql(relation, column.number)?))).collect())
    }

    /// Fresh values where a unique index or a required column asks for one.
    fn fill(&mut self, relation: &Relation, checks: &[&Check], set: &mut Values) {
        let uniques = self.catalogue.uniques.iter().filter(|unique| unique.relation == relation.oid);
        let unique: Vec<i16> = uniques.flat_map(|unique| unique.columns.iter().copied()).collect();
        let bound = self.bound(relation);
        for column in &relation.columns {
            if column.generated {
                continue;
            }
            if let Some(text) = bound.get(&column.name) {
                set.insert(column.number, format!("{}::{}", literal(text), column.of_type));
            } else if unique.contains(&column.number)
                || (column.required && !column.defaults && !set.contains_key(&column.number))
            {
                let number = self.next();
                let listed = values::others(column, checks, number);
                // A column with a list of allowed values takes one of them even where it must be unique.
                let fresh = values::fresh(column, number);
                let narrow = values::allowed(column, checks).is_some();
                if let Some(sql) = if narrow { listed.into_iter().next() } else { fresh } {
                    set.insert(column.number, sql);
                }
            }
        }
    }

    /// First values of a partition's bounds, by the names of the key's columns.
    fn bound(&self, relation: &Relation) -> BTreeMap<String, String> {
        let parent = relation.parent.and_then(|oid| self.catalogue.relation(oid));
        let (Some(bound), Some(parent)) = (&relation.bound, parent) else { return BTreeMap::new() };
        let texts = quoted_texts(bound);
        let hashed = bound.contains("modulus");
        parent.partition_key.iter().cloned().zip(texts).filter(|_| !hashed).collect()
    }

    /// The tenant, and the columns that refer to other rows.
    async fn keys(
        &mut self,
        stage: &mut Stage<'_>,
        relation: &Relation,
        tenant: &str,
        apart: bool,
        depth: usize,
        set: &mut Values,
    ) -> Result<Result<(), String>, Error> {
        let catalogue = self.catalogue;
        let mut keys: Vec<&ForeignKey> =
            catalogue.foreign_keys.iter().filter(|key| key.child == relation.oid).collect();
        // The key that says whose row it is has the last word.
        let through = |key: &ForeignKey| matches!(self.belongings.of(relation), Some(Belongs::Through(one)) if one.name == key.name);
        keys.sort_by_key(|key| through(key));
        for key in keys {
            let Some(parent) = catalogue.relation(key.parent) else { continue };
            let itself = key.parent == relation.oid;
            let optional = key.columns.iter().any(|n| relation.column(*n).is_some_and(|column| !column.required));
            if itself || self.belongings.ties(catalogue, key) && !stage.replica {
                if itself && optional {
                    self.set_null(relation, key, set);
                }
                continue;
            }
            match self.parent(stage, parent, tenant, apart, depth).await? {
                Ok(row) => {
                    for (own, refers) in key.columns.iter().zip(&key.refers) {
                        if let Some(sql) = row.sql(parent, *refers) {
                            set.insert(*own, sql);
                        }
                    }
                }
                Err(_) if optional => self.set_null(relation, key, set),
                Err(why) => return Ok(Err(format!("{} needs a row of {}: {why}", relation.label(), parent.label()))),
            }
        }
        if let Some(column) = self.belongings.column(relation).and_then(|number| relation.column(number)) {
            set.insert(column.number, value(Some(tenant), &column.of_type));
        }
        Ok(Ok(()))
    }

    fn set_null(&self, relation: &Relation, key: &ForeignKey, set: &mut Values) {
        for number in key.columns.iter().filter(|number| relation.column(**number).is_some_and(|c| !c.required)) {
            set.insert(*number, "NULL".into());
        }
    }

    /// A row to refer to: the tenant's, or anybody's where rows have no tenant; made if there is none.
    async fn parent(
        &mut self,
        stage: &mut Stage<'_>,
        parent: &Relation,
        tenant: &str,
        apart: bool,
        depth: usize,
    ) -> Result<Result<Made, String>, Error> {
        let is_root = self.belongings.root == Some(parent.oid);
        if !apart || is_root {
            let condition =
                self.belongings.condition(self.catalogue, parent, "x", tenant).unwrap_or_else(|| "true".into());
            if let Some(made) = find(stage, parent, &condition).await? {
                return Ok(Ok(made));
            }
        }
        self.make_under(stage, parent.clone(), tenant.to_owned(), apart, depth + 1).await
    }

    /// Whether a partial index on the tenant and keys alone refused it: only a row that it does not cover gets past.
    fn has_no_fresh_value(&self, relation: &Relation, refusal: &Refusal) -> bool {
        let named = |name: &str| {
            let bare = name.rsplit('.').next().unwrap_or(name).trim_matches('"');
            refusal.constraint.as_deref() == Some(bare)
        };
        self.catalogue.uniques.iter().any(|unique| {
            unique.relation == relation.oid
                && unique.partial
                && named(&unique.name)
                && self.free(relation, &unique.columns).is_empty()
        })
    }

    /// The columns that may take any value: neither the tenant's nor a key's.
    fn free(&self, relation: &Relation, columns: &[i16]) -> Vec<i16> {
        let tenant = self.belongings.column(relation);
        let keys = self.catalogue.foreign_keys.iter().filter(|key| key.child == relation.oid);
        let keys: Vec<i16> = keys.flat_map(|key| key.columns.iter().copied()).collect();
        let free = |number: &i16| {
            Some(*number) != tenant
                && !keys.contains(number)
                && relation.column(*number).is_some_and(|column| !column.generated)
        };
        columns.iter().copied().filter(free).collect()
    }

    /// The next combination of values for some columns. False after the last.
    fn turn(
        &mut self,
        relation: &Relation,
        checks: &[&Check],
        columns: &[i16],
        turns: &mut BTreeMap<i16, usize>,
        set: &mut Values,
    ) -> bool {
        for number in columns {
            let Some(column) = relation.column(*number) else { continue };
            let fresh = self.next();
            let values = values::others(column, checks, fresh);
            let turn = turns.entry(*number).or_default();
            if let Some(sql) = values.get(*turn) {
                set.insert(*number, sql.clone());
                *turn += 1;
                return true;
            }
            *turn = 0;
            if let Some(sql) = values.first() {
                set.insert(*number, sql.clone());
            }
        }
        false
    }
}

/// Any row that meets a condition, complete.
pub(crate) async fn find(stage: &mut Stage<'_>, relation: &Relation, condition: &str) -> Result<Option<Made>, Error> {
    let sql = format!("(SELECT {} FROM {} x WHERE {condition} LIMIT 1)", complete(relation, "x."), relation.sql());
    match stage.look::<Option<String>>(&format!("SELECT {sql}")).await? {
        Ok(Some(text)) => Ok(Some(parse(relation, &text))),
        _ => Ok(None),
    }
}

/// The last resort of `find`: all rows, at most so many.
pub(crate) async fn find_all(
    stage: &mut Stage<'_>,
    relation: &Relation,
    condition: &str,
    limit: usize,
) -> Result<Vec<Made>, Error> {
    let sql = format!(
        "SELECT {} FROM (SELECT * FROM {} x WHERE {condition} LIMIT {limit}) x",
        complete(relation, "x."),
        relation.sql()
    );
    let texts = stage.rows::<String>(&sql).await?;
    Ok(texts.iter().map(|text| parse(relation, text)).collect())
}

/// Inserts explicit values as whoever the session is.
pub(crate) async fn insert(stage: &mut Stage<'_>, relation: &Relation, set: &Values) -> Result<Attempt, Error> {
    stage.attempt(&insert_sql(relation, set)).await
}

/// The statement of [`insert`].
pub(crate) fn insert_sql(relation: &Relation, set: &Values) -> String {
    let set: Vec<_> = set.iter().filter_map(|(number, sql)| Some((relation.column(*number)?, sql))).collect();
    let names: Vec<String> = set.iter().map(|(column, _)| ident(&column.name)).collect();
    let values: Vec<&str> = set.iter().map(|(_, sql)| sql.as_str()).collect();
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})",
        relation.sql(),
        names.join(", "),
        values.join(", ")
    )
}

async fn insert_returning(
    stage: &mut Stage<'_>,
    relation: &Relation,
    set: &Values,
) -> Result<Result<Made, Refusal>, Error> {
    let sql = if set.is_empty() {
        format!("INSERT INTO {} DEFAULT VALUES", relation.sql())
    } else {
        insert_sql(relation, set)
    };
    let sql = format!("{sql} RETURNING {}", complete(relation, ""));
    if stage.replica {
        stage.must("SET LOCAL session_replication_role = replica").await?;
    }
    let looked = stage.look::<String>(&sql).await;
    if stage.replica {
        stage.must("SET LOCAL session_replication_role = origin").await?;
    }
    Ok(looked?.map(|text| parse(relation, &text)))
}

/// A row's values as a JSON array of texts.
fn complete(relation: &Relation, prefix: &str) -> String {
    let columns: Vec<String> =
        relation.columns.iter().map(|column| format!("{prefix}{}::text", ident(&column.name))).collect();
    format!("to_json(ARRAY[{}]::text[])::text", columns.join(", "))
}

fn parse(relation: &Relation, text: &str) -> Made {
    let texts: Vec<Option<String>> = serde_json::from_str(text).unwrap_or_default();
    Made(relation.columns.iter().map(|column| column.number).zip(texts).collect())
}
