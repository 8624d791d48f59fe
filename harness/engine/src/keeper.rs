//! The keeper: a small shell beside us that ends and removes what we started, should we be killed.
//!
//! Guards clean up when they drop, but nothing of ours runs after SIGKILL. The keeper sees its standard
//! input close then, and ends the process groups, containers and directories that it was told of. It is
//! a plain `sh`, so that it needs nothing of ours and no `unsafe`, and works for any target's processes.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

/// What the keeper is told to watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// A process group, ended with SIGKILL.
    Group(u32),
    /// A PostgreSQL server's own process group, asked to quit first so that it frees its shared memory.
    Postgres(u32),
    /// A container, removed by force.
    Container(String),
    /// A directory, removed; only one whose name begins with `overdraft-`.
    Directory(std::path::PathBuf),
}

impl Watched {
    fn line(&self) -> String {
        match self {
            Self::Group(id) => format!("group {id}"),
            Self::Postgres(id) => format!("postgres {id}"),
            Self::Container(id) => format!("container {id}"),
            Self::Directory(path) => format!("directory {}", path.display()),
        }
    }
}

/// A handle on the keeper. Clones share one; it ends by itself when the last is gone.
#[derive(Debug, Clone)]
pub struct Keeper(Arc<Shell>);

#[derive(Debug)]
struct Shell {
    child: Mutex<Child>,
    input: Mutex<Option<ChildStdin>>,
}

/// Something under watch: forgotten when dropped, after its owner has cleaned up.
#[derive(Debug)]
pub struct Watch {
    keeper: Keeper,
    what: Watched,
}

impl Keeper {
    /// Starts the keeper.
    ///
    /// # Errors
    /// Fails where no `sh` can be started.
    pub fn start() -> std::io::Result<Self> {
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(include_str!("keeper.sh"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir(Path::new("/"))
            .process_group(0)
            .spawn()?;
        let input = child.stdin.take();
        Ok(Self(Arc::new(Shell { child: Mutex::new(child), input: Mutex::new(input) })))
    }

    /// Puts something under watch until the returned value is dropped.
    #[must_use]
    pub fn watch(&self, what: Watched) -> Watch {
        self.say("watch", &what);
        Watch { keeper: self.clone(), what }
    }

    fn say(&self, verb: &str, what: &Watched) {
        let mut input = self.0.input.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(input) = input.as_mut() {
            // A keeper that was killed can keep nothing; the guards still clean up on every other way out.
            let _ = writeln!(input, "{verb} {}", what.line());
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.keeper.say("forget", &self.what);
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.input.lock().unwrap_or_else(PoisonError::into_inner).take());
        let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).wait();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn gone(path: &Path) -> bool {
        let deadline = Instant::now() + Duration::from_secs(10);
        while path.exists() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        !path.exists()
    }

    #[test]
    fn ends_what_is_watched_and_leaves_what_was_forgotten() {
        let scratch = tempfile::tempdir().unwrap();
        let (watched, forgotten) = (scratch.path().join("overdraft-a b"), scratch.path().join("overdraft-c"));
        let foreign = scratch.path().join("someone-elses");
        for path in [&watched, &forgotten, &foreign] {
            std::fs::create_dir(path).unwrap();
        }
        let mut sleeper = Command::new("sleep").arg("60").process_group(0).spawn().unwrap();

        let keeper = Keeper::start().unwrap();
        drop(keeper.watch(Watched::Directory(forgotten.clone())));
        // Leaked as they would be by a SIGKILL: their `forget` is never said.
        for what in
            [Watched::Directory(watched.clone()), Watched::Directory(foreign.clone()), Watched::Group(sleeper.id())]
        {
            std::mem::forget(keeper.watch(what));
        }
        drop(keeper.0.input.lock().unwrap().take());

        assert!(gone(&watched), "the watched directory is still there");
        assert!(!sleeper.wait().unwrap().success(), "the watched process ended by itself");
        assert!(forgotten.exists(), "a forgotten directory was removed");
        assert!(foreign.exists(), "a directory that is not ours was removed");
    }
}
