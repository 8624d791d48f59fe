//! Processes as `/proc` shows them: who descends from whom, and who belongs to a folder.

use std::{fs, path::Path};

/// A process, told by its start from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Relative {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// Its arguments, with blanks between.
    pub(crate) command: String,
    started: String,
}

impl Relative {
    fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; the fields after it are fixed.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // A zombie has ended; whoever should collect it is another matter.
        if fields.first()? == &"Z" {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).replace('\0', " ").trim().to_owned();
        let (parent, started) = (fields.get(1)?.parse().ok()?, (*fields.get(19)?).to_owned());
        Some(Self { pid, parent, command, started })
    }

    /// Whether it still runs.
    pub(crate) fn alive(&self) -> bool {
        Self::read(self.pid).is_some_and(|now| now.started == self.started)
    }
}

fn everybody() -> Vec<Relative> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| Relative::read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Children, grandchildren and so on of a process.
pub(super) fn descendants(ancestor: u32) -> Vec<Relative> {
    let everybody = everybody();
    let mut found: Vec<Relative> = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for child in everybody.iter().filter(|process| process.parent == parent) {
            parents.push(child.pid);
            found.push(child.clone());
        }
    }
    found
}

/// Processes that name a folder in their arguments or environment, or work in it.
pub(super) fn of_folder(folder: &Path) -> Vec<String> {
    let name = folder.to_str().unwrap();
    let belongs = |process: &Relative| {
        let environment = fs::read(format!("/proc/{}/environ", process.pid)).unwrap_or_default();
        let works_in = fs::read_link(format!("/proc/{}/cwd", process.pid)).unwrap_or_default();
        process.command.contains(name)
            || String::from_utf8_lossy(&environment).contains(name)
            || works_in.starts_with(folder)
    };
    let found = everybody().into_iter().filter(belongs);
    found.map(|process| format!("process {}: {}", process.pid, process.command)).collect()
}

/// One variable of a process's environment.
pub(crate) fn read_environment(pid: u32, name: &str) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let text = String::from_utf8_lossy(&environment).into_owned();
    let prefix = format!("{name}=");
    text.split('\0').find_map(|pair| Some(pair.strip_prefix(&prefix)?.to_owned()))
}
