//! `overdraft doctor`: what this machine can do, and what to do about what it cannot.

use std::{path::Path, process::Command};

use overdraft_engine::provision::postgres::{docker_available, installed};

use crate::{
    exit::{Exit, Failure},
    output,
};

pub(crate) fn execute() -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::harness)?;
    let local = installed();
    let docker = runtime.block_on(docker_available());
    let lines = [
        row("PostgreSQL", local.as_deref().map_err(ToString::to_string)),
        row("Docker engine", docker.as_ref().map(|()| "answers").map_err(Clone::clone)),
        row("PostgreSQL by download", Ok("tried last, needs the network; not tried now")),
        row("runs folder", writable(Path::new(".")).map(|()| "writable")),
        row("temporary folder", writable(&std::env::temp_dir()).map(|()| "writable")),
        row("open files", open_files().as_deref().map_err(Clone::clone)),
        row("processors", processors().as_deref().map_err(Clone::clone)),
    ];
    output::say(&lines.join(""));
    let usable = local.is_ok() || docker.is_ok();
    if usable {
        output::say("\nThis machine can run: overdraft run\n");
    } else {
        output::say(
            "\nNo PostgreSQL to start here: install one, start a Docker engine, or give a server with --database-url.\n",
        );
    }
    Ok(if usable { Exit::Valid } else { Exit::Unknown })
}

fn row(what: &str, found: Result<&str, String>) -> String {
    match found {
        Ok(found) => format!("yes  {what:24} {found}\n"),
        Err(problem) => format!("no   {what:24} {}\n", problem.lines().next().unwrap_or_default()),
    }
}

fn writable(folder: &Path) -> Result<(), String> {
    let probe = folder.join(format!(".overdraft-doctor-{}", std::process::id()));
    std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe)).map_err(|error| error.to_string())
}

fn open_files() -> Result<String, String> {
    /// 120 users, their races and two instances stay well below this.
    const ENOUGH: u64 = 1024;
    let output = Command::new("sh").args(["-c", "ulimit -n"]).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match text.parse::<u64>() {
        Ok(limit) if limit < ENOUGH => Err(format!("{limit} is few for 120 users: `ulimit -n {ENOUGH}`")),
        _ => Ok(text),
    }
}

fn processors() -> Result<String, String> {
    std::thread::available_parallelism().map(|count| count.to_string()).map_err(|error| error.to_string())
}
