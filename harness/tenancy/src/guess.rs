//! What the rules leave out, found in the catalogue: the tenant column, how a tenant is entered, the roles.

use std::collections::BTreeMap;

use overdraft_model::tenancy::{Role, Rules};

use crate::{
    Error,
    catalogue::{Catalogue, Policy, RoleRow},
    sql::{calls, literal, quoted_texts},
};

/// How often functions are followed into the functions that they call.
const DEPTH: usize = 5;

/// The column that most policies read, of those named `…_id` if there is one.
pub(crate) fn tenant_column(catalogue: &Catalogue, rules: &Rules) -> Result<String, Error> {
    if let Some(column) = &rules.tenant_column {
        let known = catalogue.relations.iter().any(|relation| relation.named(column).is_some());
        return if known { Ok(column.clone()) } else { Err(Error::NoSuchColumn(column.clone())) };
    }
    let mut read: BTreeMap<&str, usize> = BTreeMap::new();
    for policy in &catalogue.policies {
        let Some(relation) = catalogue.relation(policy.relation) else { continue };
        for column in policy.reads.iter().filter_map(|number| relation.column(*number)) {
            *read.entry(&column.name).or_default() += 1;
        }
    }
    let best = |ids: bool| {
        let named = read.iter().filter(|(name, _)| name.ends_with("_id") == ids);
        named.max_by(|one, other| one.1.cmp(other.1).then(other.0.cmp(one.0))).map(|(name, _)| (*name).to_owned())
    };
    best(true).or_else(|| best(false)).ok_or(Error::NoTenantColumn)
}

/// A policy with the sources of all functions that it reaches.
pub(crate) fn full_text(catalogue: &Catalogue, policy: &Policy) -> String {
    let mut text = format!("{} {}", policy.using.as_deref().unwrap_or(""), policy.check.as_deref().unwrap_or(""));
    let mut taken = vec![false; catalogue.functions.len()];
    for _ in 0..DEPTH {
        let before = text.len();
        for (function, taken) in catalogue.functions.iter().zip(&mut taken) {
            if !*taken && calls(&text, &function.name) {
                *taken = true;
                text.push(' ');
                text.push_str(&function.source);
            }
        }
        if text.len() == before {
            break;
        }
    }
    text
}

/// Names of the settings that the policies read.
pub(crate) fn settings(catalogue: &Catalogue) -> Vec<String> {
    let mut names = Vec::new();
    for policy in &catalogue.policies {
        for part in full_text(catalogue, policy).split("current_setting(").skip(1) {
            if let Some(name) = quoted_texts(part.split([',', ')']).next().unwrap_or("")).into_iter().next() {
                names.push(name);
            }
        }
    }
    names.sort();
    names.dedup();
    names
}

/// SQL that enters the tenant `$1`.
pub(crate) fn enter(catalogue: &Catalogue, rules: &Rules, settings: &[String], column: &str) -> Result<String, Error> {
    if let Some(enter) = &rules.enter {
        return Ok(enter.clone());
    }
    let stem = column.trim_end_matches("_id");
    let named: Vec<&String> = settings.iter().filter(|name| name.contains(stem) || name.contains("tenant")).collect();
    let setting = match (settings, named.as_slice()) {
        ([], _) => return Err(Error::NoEntry),
        ([only], _) => only.clone(),
        (_, [only]) => (*only).clone(),
        _ => return Err(Error::ManySettings(settings.join(", "))),
    };
    let claim = catalogue.policies.iter().any(|policy| {
        let text = full_text(catalogue, policy);
        text.contains(&setting) && text.contains("->>") && text.contains(&literal(column))
    });
    if claim {
        let claims = format!("json_build_object({}, $1)::text", literal(column));
        return Ok(format!("SELECT set_config({}, {claims}, true)", literal(&setting)));
    }
    if setting.ends_with(".claims") {
        return Err(Error::Claims { setting, column: column.to_owned() });
    }
    Ok(format!("SELECT set_config({}, $1, true)", literal(&setting)))
}

/// Every role with a right on some table, and whether requests are taken to run as it.
pub(crate) fn roles(catalogue: &Catalogue, rules: &Rules) -> Result<Vec<Role>, Error> {
    if let Some(unknown) = rules.roles.iter().find(|name| catalogue.role(name).is_none()) {
        return Err(Error::NoSuchRole(unknown.clone()));
    }
    let mut found = Vec::new();
    for role in &catalogue.roles {
        let named = rules.roles.contains(&role.name);
        if !named && !role.granted {
            continue;
        }
        let (probed, why) = if named {
            (true, "named by the rules".to_owned())
        } else if !rules.roles.is_empty() {
            (false, "not named by the rules".to_owned())
        } else {
            guess_role(catalogue, role)
        };
        found.push(Role { name: role.name.clone(), probed, why });
    }
    if found.iter().any(|role| role.probed) { Ok(found) } else { Err(Error::NoRole) }
}

fn guess_role(catalogue: &Catalogue, role: &RoleRow) -> (bool, String) {
    if role.superuser || role.bypasses {
        return (false, "no policy binds it (superuser or BYPASSRLS)".into());
    }
    if catalogue.relations.iter().any(|relation| relation.is_table() && relation.secured && relation.owner == role.name)
    {
        return (false, "owns tables".into());
    }
    let confined = catalogue.policies.iter().any(|policy| policy.binds(role) && !policy.is_open());
    if confined {
        (true, "a policy confines it to a tenant".into())
    } else {
        (false, "no policy confines it to a tenant: it is of the back office, and sees what it was granted".into())
    }
}
