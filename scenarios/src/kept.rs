//! Of all that was drawn, only the steps that a scenario keeps: nothing is drawn anew, so that what is left is what it
//! was in the whole.

use std::collections::BTreeSet;

use overdraft_model::{manifest::World, operation::Operation, scenario::Kept};

use crate::steps::{Script, Step};

/// Why of this script nothing can be kept as asked: a user or step that was not drawn, or that is listed twice.
pub(crate) fn check(keep: &[Kept], script: &Script) -> Result<(), String> {
    let mut users = BTreeSet::new();
    for Kept { user, steps } in keep {
        let Some(drawn) = user.checked_sub(1).and_then(|at| script.users.get(at)) else {
            return Err(format!("there is no user {user} of {}", script.users.len()));
        };
        if !users.insert(user) {
            return Err(format!("user {user} is listed twice"));
        }
        if steps.is_empty() || !steps.is_sorted_by(|one, next| one < next) {
            return Err(format!("the steps of user {user} must be some, each once, in order"));
        }
        if let Some(step) = steps.iter().find(|step| !(1..=drawn.len()).contains(*step)) {
            return Err(format!("user {user} has no step {step} of {}", drawn.len()));
        }
    }
    Ok(())
}

/// The kept steps, and who and what they are about. A race that only one is left to run is an ordinary request.
pub(crate) fn only(keep: &[Kept], world: World, script: Script) -> (World, Script) {
    let taken = |kept: &Kept| -> Vec<Step> {
        let drawn = kept.user.checked_sub(1).and_then(|at| script.users.get(at)).map_or(&[][..], Vec::as_slice);
        kept.steps.iter().filter_map(|step| drawn.get(step.checked_sub(1)?).cloned()).collect()
    };
    let mut left = Script { users: keep.iter().map(taken).collect(), flow: script.flow.clone() };
    let alone: BTreeSet<String> =
        left.races().into_iter().filter(|(_, size)| *size < 2).map(|(name, _)| name).collect();
    for step in left.users.iter_mut().flatten() {
        if let Step::Race { name, operation } = step
            && alone.contains(name)
        {
            *step = Step::Call(operation.clone());
        }
    }
    (about(world, &left), left)
}

/// What the steps name, and the partners to whom it belongs.
fn about(mut world: World, script: &Script) -> World {
    let (mut workspaces, mut leads) = (BTreeSet::new(), BTreeSet::new());
    for operation in script.users.iter().flatten().filter_map(Step::operation) {
        workspaces.extend(operation.workspace());
        leads.extend(named_leads(operation));
    }
    world.leads.retain(|lead| leads.contains(lead.name.as_str()));
    workspaces.extend(world.leads.iter().map(|lead| lead.partner.as_str()));
    let workspaces: BTreeSet<String> = workspaces.into_iter().map(str::to_owned).collect();
    world.workspaces.retain(|workspace| workspaces.contains(&workspace.name));
    world
}

/// The leads that an operation names.
pub(crate) fn named_leads(operation: &Operation) -> impl Iterator<Item = &str> {
    let leads: &[String] = match operation {
        Operation::Purchase { leads, .. } => leads,
        Operation::ReadLead { lead, .. } => std::slice::from_ref(lead),
        _ => &[],
    };
    leads.iter().map(String::as_str)
}
