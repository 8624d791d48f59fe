//! What a case needs, and what in it cannot work: found before anything starts.

use std::collections::BTreeSet;

use overdraft_model::{
    flow::{Action, Flow, numbered},
    operation::Operation,
};

use crate::target::Need;

/// Steps of a case at most, and copies of a step: each is in memory before anything starts.
const MOST_STEPS: usize = 200;
const MOST_COPIES: usize = 2_000;

/// Refuses a case that cannot be performed whatever the target does.
pub(crate) fn check(id: &str, flow: &Flow) -> Result<(), String> {
    if flow.when.is_empty() || flow.when.len() > MOST_STEPS {
        return Err(format!("when: {} steps are not between 1 and {MOST_STEPS}", flow.when.len()));
    }
    let names = names(flow)?;
    for (number, step) in flow.when.iter().enumerate() {
        check_step(&step.action, &names).map_err(|problem| format!("{id}, when {}: {problem}", number + 1))?;
    }
    let mut open = BTreeSet::new();
    for step in &flow.when {
        match &step.action {
            Action::Inject { label, .. } | Action::Begin { label, .. } if !open.insert(label.as_str()) => {
                return Err(format!("{id}: `{label}` is begun twice"));
            }
            Action::Heal { of } | Action::Struck { of, .. } | Action::End { of, .. } if !open.contains(of.as_str()) => {
                return Err(format!("{id}: nothing was begun or injected as `{of}`"));
            }
            _ => {}
        }
    }
    for then in &flow.then {
        if then.is.is_none() && then.at_least.is_none() && then.at_most.is_none() && then.are.is_none() {
            return Err(format!("{id}, then `{}`: say what it must be: is, at_least, at_most or are", then.say));
        }
    }
    Ok(())
}

/// Every workspace and lead, each once.
fn names(flow: &Flow) -> Result<BTreeSet<String>, String> {
    let mut names = BTreeSet::new();
    let workspaces = flow.given.workspaces.iter().map(|given| (&given.name, given.count));
    let leads = flow.given.leads.iter().map(|given| (&given.name, given.count));
    for (name, count) in workspaces.chain(leads) {
        if !(1..=MOST_COPIES).contains(&count) {
            return Err(format!("given `{name}`: count {count} is not between 1 and {MOST_COPIES}"));
        }
        for n in 1..=count {
            let name = numbered(name, n);
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(format!("given `{name}`: use letters, digits and _"));
            }
            if !names.insert(name.clone()) {
                return Err(format!("given `{name}`: the name is used twice"));
            }
        }
    }
    match flow.given.leads.iter().find(|lead| !names.contains(&lead.partner)) {
        Some(lead) => Err(format!("given `{}`: no workspace is called {}", lead.name, lead.partner)),
        None => Ok(names),
    }
}

fn check_step(action: &Action, names: &BTreeSet<String>) -> Result<(), String> {
    let (operations, count) = match action {
        Action::Ask { operation, count, .. } => (std::slice::from_ref(operation), *count),
        Action::Begin { operation, .. } => (std::slice::from_ref(operation), 1),
        Action::Race { operations, count, .. } => (operations.as_slice(), *count),
        _ => return Ok(()),
    };
    if !(1..=MOST_COPIES).contains(&count) {
        return Err(format!("count {count} is not between 1 and {MOST_COPIES}"));
    }
    if matches!(action, Action::Race { .. }) && operations.len() * count < 2 {
        return Err("a race needs two".into());
    }
    for operation in operations {
        let leads: Vec<&String> = match operation {
            Operation::Purchase { leads, .. } => leads.iter().collect(),
            Operation::ReadLead { lead, .. } => vec![lead],
            _ => vec![],
        };
        let named = operation.workspace().into_iter().chain(leads.into_iter().map(String::as_str));
        for name in named.flat_map(|name| [numbered(name, 1), numbered(name, count)]) {
            if !names.contains(&name) {
                return Err(format!("neither a workspace nor a lead is called {name}"));
            }
        }
    }
    Ok(())
}

/// What a case needs of a target.
pub(crate) fn needs(flow: &Flow) -> Vec<Need<'_>> {
    let mapped = flow.operations().filter_map(|operation| operation.mapping().map(Need::Operation));
    let paid = flow.operations().any(|operation| operation.mapping().is_none());
    let clock = flow.when.iter().any(|step| matches!(step.action, Action::Clock { .. }));
    mapped.chain(paid.then_some(Need::Webhook)).chain(clock.then_some(Need::Clock)).collect()
}

#[cfg(test)]
mod tests {
    use overdraft_model::scenario::Workload;
    use overdraft_scenarios::catalogue;

    use super::*;

    fn problem(from: &str, to: &str) -> String {
        const CASE: &str = r#"
            id = "X"
            title = "t"
            promise = "p"
            [given]
            workspaces = [{ name = "partner", role = "partner" }, { name = "buyer_{n}", count = 3 }]
            leads = [{ name = "lead", partner = "partner", price = 5, max_sales = 1 }]
            [[when]]
            say = "everybody buys"
            do = "race"
            operations = [{ f = "purchase", workspace = "buyer_{n}", leads = ["lead"], key = "k_{n}" }]
            count = 3
            [[then]]
            say = "one wins"
            that = "purchases"
            is = 1
        "#;
        assert!(CASE.contains(from), "{from}");
        let scenario = match catalogue::read(&CASE.replacen(from, to, 1)) {
            Ok(scenario) => scenario,
            Err(error) => return error.to_string(),
        };
        let Workload::Flow(flow) = &scenario.workload else { panic!("a case") };
        check(&scenario.id, flow).err().unwrap_or_default()
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_place() {
        assert_eq!(problem("everybody", "everybody"), "");
        for (from, to, expected) in [
            ("count = 3\n            [[then]]", "count = 4\n            [[then]]", "called buyer_004"),
            ("[\"lead\"]", "[\"laed\"]", "called laed"),
            ("partner = \"partner\"", "partner = \"nobody\"", "no workspace is called nobody"),
            ("is = 1", "of = \"lead\"", "say what it must be"),
            ("do = \"race\"", "do = \"rice\"", "rice"),
            ("is = 1", "is = 1\nthat_is = 2", "that_is"),
            ("name = \"lead\"", "name = \"a-b\"", "use letters"),
        ] {
            let problem = problem(from, to);
            assert!(problem.contains(expected), "{from} -> {to}: {problem}");
        }
    }

    #[test]
    fn every_built_in_case_can_be_performed() {
        for scenario in catalogue::scenarios().unwrap() {
            if let Workload::Flow(flow) = &scenario.workload {
                assert_eq!(check(&scenario.id, flow), Ok(()));
            }
        }
    }
}
