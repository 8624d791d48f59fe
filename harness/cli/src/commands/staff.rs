//! `overdraft staff`: adds and shuts out members of staff of the bundled reference service.

use std::io::{BufRead, IsTerminal};

use overdraft_reference::{self as reference, Error, Secret};

use super::serve::runtime;
use crate::{
    args::{StaffAddOptions, StaffCommand, StaffMember},
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute(command: &StaffCommand) -> Result<Exit, Failure> {
    match command {
        StaffCommand::Add(options) => add(options),
        StaffCommand::Disable(member) => disable(member, true),
        StaffCommand::Enable(member) => disable(member, false),
    }
}

fn disable(StaffMember { email, database_url }: &StaffMember, disabled: bool) -> Result<Exit, Failure> {
    runtime()?.block_on(reference::disable_staff(database_url, email, disabled)).map_err(failure)?;
    output::note(&format!("{email} is {}", if disabled { "shut out, and logged out" } else { "staff again" }));
    Ok(Exit::Valid)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::Staff(_) => Failure::usage(error.to_string()),
        other => Failure::harness(other),
    }
}

/// Prints the API key, alone on standard output, once: nothing keeps it.
fn add(options: &StaffAddOptions) -> Result<Exit, Failure> {
    let password = if options.no_password { None } else { Some(password()?) };
    let role = options.role.name();
    let added = reference::add_staff(&options.database_url, &options.email, role, password.as_ref());
    let key = runtime()?.block_on(added).map_err(failure)?;
    output::note(&format!("{} is staff with the role {role}; the API key, which is not shown again:", options.email));
    output::say(&format!("{}\n", key.expose()));
    Ok(Exit::Valid)
}

/// The first line of standard input.
fn password() -> Result<Secret, Failure> {
    if std::io::stdin().is_terminal() {
        output::note("password (it shows as you type; pipe it in to keep it off the screen):");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(Failure::harness)?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::usage(
            "no password on standard input; --no-password adds somebody who has an API key only",
        ));
    }
    Ok(Secret::new(password))
}
