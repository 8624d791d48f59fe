//! A place to run the program in, and what is to be known of a run while it goes on and after it ended.
//!
//! Each place has a temporary folder of its own, which is the program's current folder and holds its TMPDIR:
//! whatever a run starts or makes can be told by it from what other runs on this machine start and make.

mod family;

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) use family::{Relative, read_environment};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use overdraft_engine::{
    keeper::Keeper,
    provision::postgres::{Postgres, PostgresOptions, Way, installed},
};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than any run here takes on a busy machine of two processors.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The bundled target file, to be changed.
pub(crate) const REFERENCE: &str = include_str!("../../../../fixtures/targets/reference.toml");

/// Variables that would change what the program does, if a developer's shell has them.
const AMBIENT: [&str; 9] = [
    "OVERDRAFT_DATABASE_URL",
    "OVERDRAFT_POSTGRES_IMAGE",
    "OVERDRAFT_LOG",
    "PGHOST",
    "PGHOSTADDR",
    "PGSSLMODE",
    "PGOPTIONS",
    "PGUSER",
    "PGPASSWORD",
];

/// A temporary folder to run the program in.
#[derive(Debug)]
pub(crate) struct Place {
    folder: TempDir,
    /// Held while whole runs go on here; the next one's turn comes when this file is closed.
    _turn: Option<File>,
}

/// How the program ended and what it said.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A program that still runs; killed when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    folder: PathBuf,
}

impl Place {
    /// For what starts nothing.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("overdraft-cli-test-").tempdir().unwrap();
        // PostgreSQL runs as another user when we are root, and must get at its data.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        fs::create_dir(folder.path().join("said")).unwrap();
        Self { folder, _turn: None }
    }

    /// For whole runs, one at a time. None, with a line that says so, where there is no PostgreSQL.
    pub(crate) fn for_runs() -> Option<Self> {
        if let Err(error) = installed() {
            skip(&error.to_string());
            return None;
        }
        let turn = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("one-run-at-a-time")).unwrap();
        turn.lock().unwrap();
        Some(Self { _turn: Some(turn), ..Self::new() })
    }

    /// A server for databases that the program is given. It ends when the keeper is dropped, if not before.
    pub(crate) async fn server(&self) -> (Postgres, Keeper) {
        let keeper = Keeper::start().unwrap();
        let options = PostgresOptions {
            url: None,
            way: Way::Local,
            image: String::new(),
            cache: Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache/overdraft"),
            scratch: std::env::temp_dir(),
            log: self.at("postgresql.log"),
        };
        (Postgres::start(&options, &keeper).await.unwrap(), keeper)
    }

    /// The folder's path.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The path of something in the folder.
    pub(crate) fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        self.start(arguments).end()
    }

    /// Runs the program to its end with one more environment variable.
    pub(crate) fn run_with(&self, (name, value): (&str, &str), arguments: &[&str]) -> Told {
        self.spawn(self.command(arguments).env(name, value)).end()
    }

    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.spawn(&mut self.command(arguments))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_overdraft"));
        for name in AMBIENT {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .current_dir(self.path())
            .env("TMPDIR", self.at("tmp"))
            .env("XDG_CACHE_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"));
        command
    }

    fn spawn(&self, command: &mut Command) -> Running {
        // Files, not pipes: a process left behind would keep a pipe open and this test waiting.
        let said = |name: &str| File::create(self.at("said").join(name)).unwrap();
        let child = command.stdin(Stdio::null()).stdout(said("out")).stderr(said("err")).spawn().unwrap();
        Running { child, folder: self.path().to_owned() }
    }

    /// A file of the newest run.
    pub(crate) fn latest(&self, name: &str) -> PathBuf {
        self.at("runs/latest").join(name)
    }

    /// How many operations the newest run has asked so far.
    pub(crate) fn asked(&self) -> usize {
        let history = fs::read_to_string(self.latest("history.jsonl")).unwrap_or_default();
        history.lines().filter(|line| line.contains(r#""type":"invoke""#)).count()
    }

    /// Processes and data directories of runs in this place that are still there.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let mut left = family::of_folder(self.path());
        let made = fs::read_dir(self.at("tmp")).unwrap().flatten();
        left.extend(made.map(|entry| entry.path().display().to_string()));
        left
    }
}

impl Running {
    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, and only it.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Every process that it has started so far and those have started, but not itself.
    pub(crate) fn family(&self) -> Vec<Relative> {
        family::descendants(self.child.id())
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has said on standard error so far.
    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("said/err")).unwrap()
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Told {
        self.end_within(PATIENCE)
    }

    /// Waits for the end of what makes many runs.
    pub(crate) fn end_within(mut self, patience: Duration) -> Told {
        let deadline = Instant::now() + patience;
        while !self.ended() {
            assert!(Instant::now() < deadline, "still running; it said:\n{}", self.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
        let code = self.child.wait().unwrap().code();
        let stdout = fs::read_to_string(self.folder.join("said/out")).unwrap();
        Told { code, stdout, stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Told {
    /// Insists on an exit code, and shows what was said where it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "standard output:\n{}\nstandard error:\n{}", self.stdout, self.stderr);
        self
    }

    /// Insists on texts in standard error.
    #[track_caller]
    pub(crate) fn complains(self, about: &[&str]) -> Self {
        for text in about {
            assert!(self.stderr.contains(text), "no `{text}` in:\n{}", self.stderr);
        }
        self
    }

    /// Insists on texts in standard output.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stdout.contains(text), "no `{text}` in:\n{}", self.stdout);
        }
        self
    }

    /// Insists on exactly one message of why it ended early.
    #[track_caller]
    pub(crate) fn once(self) -> Self {
        assert_eq!(self.stderr.matches("overdraft: ").count(), 1, "{}", self.stderr);
        self
    }
}

/// A test that cannot run here is a printed skip on a person's machine, and a failure in CI.
#[expect(clippy::print_stderr, reason = "a skip must be seen")]
fn skip(reason: &str) {
    assert!(std::env::var_os("OVERDRAFT_NO_SKIPS").is_none(), "skips are failures here: {reason}");
    eprintln!("skipped: {reason}");
}

/// Sends a signal to a process.
pub(crate) fn send(process: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(process).unwrap()), signal).unwrap();
}

/// Looks again and again until there is something to see.
#[track_caller]
pub(crate) fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {} s: {what}", within.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Reads a JSON file.
#[track_caller]
pub(crate) fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A flash sale named `small`, of few users: enough to race, little enough to be quick.
pub(crate) fn flash_sale(users: usize, rounds: usize) -> String {
    format!(
        r#"id = "small"
title = "A small flash sale"
breaks = "A few buyers, one lead, the same instant."
proves = ["leads.capacity", "purchase.atomic"]
workload = {{ kind = "flash-sale", price = 30, balance = 100000, max_sales = [1, 7] }}
load = {{ users = {users}, rounds = {rounds} }}
"#
    )
}

/// The bundled target with one part changed.
#[track_caller]
pub(crate) fn reference_but(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(REFERENCE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the reference target has no `{from}`");
        text.replacen(from, to, 1)
    })
}
