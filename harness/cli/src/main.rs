//! `overdraft`: the composition root. Arguments become a plan, a plan becomes a run, a run becomes an exit code.

mod args;
mod commands;
mod config;
mod display;
mod exit;
mod faults;
mod flow;
mod interrupt;
mod nearest;
mod output;
mod target;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use exit::Exit;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap's own code for bad usage is 2, as ours; help and version are 0.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage.code() } else { 0 });
        }
    };
    let exit = match arguments.command {
        Command::Run(options) => commands::run::execute(*options),
        Command::Replay(options) => commands::replay::execute(options),
        Command::Check(options) => commands::check::execute(&options),
        Command::Report(options) => commands::report::execute(&options),
        Command::Export(options) => commands::export::execute(&options),
        Command::Prove(options) => commands::prove::execute(&options),
        Command::Shrink(options) => commands::shrink::execute(&options),
        Command::List => commands::list::execute(),
        Command::Explain(options) => commands::explain::execute(&options),
        Command::Tenancy(options) => commands::tenancy::execute(&options),
        Command::Doctor => commands::doctor::execute(),
        Command::Serve(options) => commands::serve::serve(&options),
        Command::Migrate(options) => commands::serve::migrate(&options),
        Command::Audit(options) => commands::audit::execute(&options),
        Command::Staff(command) => commands::staff::execute(&command),
    };
    match exit {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            output::complain(&failure.message);
            ExitCode::from(failure.exit.code())
        }
    }
}
