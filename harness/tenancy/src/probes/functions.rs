//! SECURITY DEFINER functions: called inside a tenant and outside of any, with every identifier of another tenant.
//!
//! A call that answers with something that only the other tenant has, or whose answer changes when the other tenant
//! gets rows, is a leak. Identifiers are given, secrets are not: who knows another's API key may well be let in.

use std::collections::BTreeSet;

use overdraft_model::tenancy::{Operation, Outcome, Severity};

use super::Prober;
use crate::{
    Error,
    catalogue::{Function, RoleRow},
    rows::{Made, find_all},
    sql::{ident, literal, quoted_texts},
    stage::Refusal,
};

/// Calls of one function at most.
const CALLS: usize = 48;
/// Words of one function's source at most, that its texts are tried with.
const WORDS: usize = 3;
/// Rows of each table whose values are known.
const KNOWN: usize = 40;
/// Shorter texts are in many rows by chance.
const TELLING: usize = 8;

/// What is known of the victim.
#[derive(Debug, Default)]
struct Victim {
    /// Identifiers that a call may be given, with their types.
    identifiers: Vec<(String, String)>,
    /// Values that only the victim's rows have.
    prints: BTreeSet<String>,
}

impl Prober<'_, '_> {
    pub(super) async fn functions(&mut self, role: &RoleRow) -> Result<(), Error> {
        let catalogue = self.catalogue;
        let mut open = Vec::new();
        for function in catalogue.functions.iter().filter(|function| function.definer) {
            let sql =
                format!("SELECT has_function_privilege({}, {}::oid, 'EXECUTE')", literal(&role.name), function.oid);
            if self.stage.one::<bool>(&sql).await? {
                open.push(function);
            }
        }
        let victim = if open.is_empty() { Victim::default() } else { self.know_the_victim(role).await? };
        for function in open {
            for operation in [Operation::Call, Operation::CallOutside] {
                self.function(role, function, &victim, operation).await?;
            }
        }
        Ok(())
    }

    async fn know_the_victim(&mut self, role: &RoleRow) -> Result<Victim, Error> {
        let catalogue = self.catalogue;
        let (attacker, victim) = (self.attacker(), self.victim());
        let (mut known, mut common) = (Victim::default(), BTreeSet::new());
        for relation in catalogue.relations.iter().filter(|relation| relation.is_table()) {
            let (Some(theirs), Some(own)) = (self.of(relation, &victim), self.of(relation, &attacker)) else {
                continue;
            };
            let theirs = find_all(&mut self.stage, relation, &theirs, KNOWN).await?;
            let own = find_all(&mut self.stage, relation, &own, KNOWN).await?;
            let shared = self.shared(role, relation);
            for Made(row) in &theirs {
                for column in &relation.columns {
                    let Some(Some(text)) = row.get(&column.number) else { continue };
                    let keyed = catalogue
                        .uniques
                        .iter()
                        .any(|unique| unique.relation == relation.oid && unique.columns.contains(&column.number));
                    let identifies = matches!(column.base.as_str(), "uuid" | "bigint" | "integer");
                    let tenant = self.belongings.column(relation) == Some(column.number);
                    if tenant || (keyed && identifies) {
                        known.identifiers.push((column.base.clone(), text.clone()));
                    }
                    if shared {
                        common.insert(text.clone());
                    } else if text.len() >= TELLING {
                        known.prints.insert(text.clone());
                    }
                }
            }
            common.extend(own.into_iter().flat_map(|Made(row)| row.into_values().flatten()));
        }
        known.prints.retain(|text| !common.contains(text));
        known.identifiers.sort();
        known.identifiers.dedup();
        Ok(known)
    }

    async fn function(
        &mut self,
        role: &RoleRow,
        function: &Function,
        victim: &Victim,
        operation: Operation,
    ) -> Result<(), Error> {
        let label = function.label();
        let inside = operation == Operation::Call;
        let mut outcome = Outcome::NotExercised;
        let (mut sql, mut seen) = (String::new(), "it is no plain function".to_owned());
        if self.rules.skip_calls {
            seen = "functions were not to be called".into();
        } else if function.callable {
            for (call, told, shown) in self.calls(role, function, victim, inside).await? {
                if told == Outcome::NotExercised && outcome == told && !sql.is_empty() && !seen.contains(&shown) {
                    seen = format!("{seen}; {shown}");
                }
                // A leak speaks for all calls, and one that was held for those whose arguments made no sense.
                if told == Outcome::Leaked
                    || sql.is_empty()
                    || (told == Outcome::Held && outcome == Outcome::NotExercised)
                {
                    (outcome, sql, seen) = (told, call, shown);
                }
            }
        }
        if outcome != Outcome::Held && self.allowed(&label) {
            outcome = Outcome::Declared;
        }
        if outcome == Outcome::Leaked {
            let what = format!("{} is told another tenant's rows by {label}", role.name);
            let remedy = "let it enter the caller's tenant and compare, make it SECURITY INVOKER, or take EXECUTE away";
            self.finding(Severity::Leak, "definer-function", &label, what, format!("`{sql}`: {seen}"), remedy);
        }
        self.record(&role.name, &label, operation, outcome, &sql, seen);
        Ok(())
    }

    /// Every call with what it came to; the first that leaks is the last.
    async fn calls(
        &mut self,
        role: &RoleRow,
        function: &Function,
        victim: &Victim,
        inside: bool,
    ) -> Result<Vec<(String, Outcome, String)>, Error> {
        let (mut calls, mut steady) = (Vec::new(), Vec::new());
        for (sql, given) in calls_of(function, victim, &self.victim()) {
            let (outcome, seen) = match self.answer(role, &sql, inside).await? {
                Err(refusal) if deliberate(&refusal) => (Outcome::Held, refusal.say()),
                Err(refusal) => (Outcome::NotExercised, refusal.say()),
                Ok(first) => {
                    let tells = |print: &&String| !given.contains(print) && first.contains(print.as_str());
                    if let Some(print) = victim.prints.iter().find(tells) {
                        (Outcome::Leaked, format!("its answer has `{print}`, which only another tenant has"))
                    } else {
                        let again =
                            self.grows(&given, victim) && self.answer(role, &sql, inside).await? == Ok(first.clone());
                        if again {
                            steady.push((sql.clone(), first));
                        }
                        (Outcome::Held, "its answer has nothing of another tenant".to_owned())
                    }
                }
            };
            calls.push((sql, outcome, seen));
            if outcome == Outcome::Leaked {
                return Ok(calls);
            }
        }
        if !steady.is_empty() {
            // Rows are made once for all calls: each undoes its own effects.
            self.stage.begin().await?;
            self.more_of_the_victim(role).await?;
            for (sql, first) in steady {
                if self.answer(role, &sql, inside).await?.is_ok_and(|after| after != first) {
                    calls.push((sql, Outcome::Leaked, "its answer changed when another tenant got rows".to_owned()));
                    break;
                }
            }
            self.stage.rewind().await?;
        }
        Ok(calls)
    }

    /// Whether the answer may grow with the victim's rows: asked by the tenant, or by nothing of it.
    fn grows(&self, given: &[String], victim: &Victim) -> bool {
        let identified = given.iter().any(|text| victim.identifiers.iter().any(|(_, known)| known == text));
        !identified || given.contains(&self.tenants[1])
    }

    /// What the call answers. Its effects are undone at once.
    async fn answer(&mut self, role: &RoleRow, sql: &str, inside: bool) -> Result<Result<String, Refusal>, Error> {
        let attacker = self.attacker();
        self.stage.begin().await?;
        let answer = match self.stage.become_role(&role.name, inside.then_some(attacker.as_str())).await? {
            Some(refusal) => Err(refusal),
            None => self.stage.look::<String>(sql).await?,
        };
        self.stage.rewind().await?;
        Ok(answer)
    }
}

/// Refused by the function or a grant, rather than because our arguments made no sense.
fn deliberate(refusal: &Refusal) -> bool {
    let standard =
        refusal.code.chars().next().is_some_and(|first| first.is_ascii_digit() || first == 'X' || first == 'P');
    matches!(refusal.code.as_str(), "42501" | "P0001") || refusal.code.starts_with("28") || !standard
}

/// Calls with combinations of arguments, spread evenly where not all are allowed, and the values that each gives.
fn calls_of(function: &Function, victim: &Victim, tenant: &str) -> Vec<(String, Vec<String>)> {
    let choices: Vec<Vec<String>> =
        (0..function.types.len()).map(|place| choices(function, place, victim, tenant)).collect();
    let total = choices.iter().fold(1_usize, |total, values| total.saturating_mul(values.len()));
    let calls = total.min(CALLS);
    let lists = (0..calls).map(|call| {
        let mut rest = call * (total / calls) + call * (total % calls) / calls;
        let mut list: Vec<String> = Vec::new();
        for values in choices.iter().rev() {
            list.extend(values.get(rest % values.len()).cloned());
            rest /= values.len();
        }
        list.reverse();
        list
    });
    let name = format!("{}.{}", ident(&function.schema), ident(&function.name));
    let call = |list: Vec<String>| {
        let arguments: Vec<String> = list
            .iter()
            .zip(&function.types)
            .map(
                |(text, of_type)| {
                    if text == "NULL" { format!("NULL::{of_type}") } else { format!("{}::{of_type}", literal(text)) }
                },
            )
            .collect();
        let sql = format!(
            "SELECT coalesce(string_agg(f::text, '|'), '') FROM (SELECT f FROM {name}({}) AS f LIMIT 200) s",
            arguments.join(", ")
        );
        (sql, list)
    };
    lists.map(call).collect()
}

/// Values for one argument, never none: the victim's identifiers of its type; for a text also the words that the
/// function compares with; for the ends of a time span far apart.
fn choices(function: &Function, place: usize, victim: &Victim, tenant: &str) -> Vec<String> {
    let Some(of_type) = function.types.get(place).map(String::as_str) else { return Vec::new() };
    let known = |base: &str| -> Vec<String> {
        let same = victim.identifiers.iter().filter(|(known, _)| known == base);
        same.map(|(_, text)| text.clone()).collect()
    };
    if matches!(of_type, "text" | "character varying") {
        let mut values = vec![plain(of_type)];
        values.extend(words(&function.source));
        if function.types.len() == 1 {
            values.extend(known("uuid"))
        } else {
            values.push(tenant.to_owned())
        }
        return values;
    }
    if of_type == "date" || of_type.starts_with("timestamp") {
        let same = |of: &&String| *of == of_type;
        let (before, all) =
            (function.types.iter().take(place).filter(same).count(), function.types.iter().filter(same).count());
        return vec![match (before, all) {
            (0, 2..) => "2000-01-01".to_owned(),
            (_, 2..) if before + 1 == all => "2099-01-01".to_owned(),
            _ => plain(of_type),
        }];
    }
    let values = known(of_type);
    if values.is_empty() { vec![plain(of_type)] } else { values }
}

/// The first short words between quotes in a source.
fn words(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for text in quoted_texts(source) {
        let word = (3..=30).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if word && !found.contains(&text) && found.len() < WORDS {
            found.push(text);
        }
    }
    found
}

/// A value that makes sense of most types. Bytes are as many as a SHA-256 has.
fn plain(of_type: &str) -> String {
    match of_type {
        "text" | "character varying" => "overdraft",
        "uuid" => "0d000000-0000-4000-8000-ffffffffffff",
        "bigint" | "integer" | "smallint" | "numeric" => "1",
        "boolean" => "true",
        "json" | "jsonb" => "{}",
        "bytea" => "\\xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "interval" => "1 day",
        "date" | "timestamp with time zone" | "timestamp without time zone" => "2026-01-01",
        array if array.ends_with("[]") => "{}",
        _ => "NULL",
    }
    .to_owned()
}
