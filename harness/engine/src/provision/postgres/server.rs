//! One PostgreSQL server process of our own: on a free loopback port, fsync on, as a non-root user.
//!
//! It can be killed, stopped, restarted, paused and continued. Dropping it ends it and removes its data.

use std::{
    fs::File,
    net::TcpListener,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use super::{
    PostgresError, PostgresOptions,
    binaries::Binaries,
    template::{self, Runner},
};
use crate::{
    keeper::{Keeper, Watch, Watched},
    provision::logs::tail,
};

/// How long a start, with recovery if need be, may take.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    watch: Option<Watch>,
    port: u16,
    password: String,
    folder: TempDir,
    _folder_watch: Watch,
    keeper: Keeper,
    program: PathBuf,
    log: PathBuf,
    runner: Runner,
    /// Set while we have ended it on purpose.
    down: bool,
}

impl Server {
    pub(super) async fn start(
        options: &PostgresOptions,
        keeper: &Keeper,
        binaries: &Binaries,
    ) -> Result<Self, PostgresError> {
        let runner = Runner::choose()?;
        let io = |what, path: &std::path::Path| {
            let path = path.display().to_string();
            move |problem| PostgresError::Io { what, path, problem }
        };
        let folder = tempfile::Builder::new()
            .prefix("overdraft-postgres-")
            .tempdir_in(&options.scratch)
            .map_err(io("cannot write in", &options.scratch))?;
        let folder_watch = keeper.watch(Watched::Directory(folder.path().to_owned()));
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))
            .map_err(io("cannot open", folder.path()))?;
        let template = template::prepare(&options.cache, folder.path(), binaries, runner)?;
        template.copy_to(&folder.path().join("data"), runner)?;

        let program = binaries.folder.join("postgres");
        let log = options.log.clone();
        let port = || free_port().map_err(io("no free port on", std::path::Path::new("127.0.0.1")));
        let first = port()?;
        let child = spawn(&program, &folder.path().join("data"), first, &log, runner)?;
        // Watched, and ended by our own drop, from its first moment: whoever waits below may be interrupted.
        let watch = Some(keeper.watch(Watched::Postgres(child.id())));
        let mut server = Self {
            child,
            watch,
            port: first,
            password: template.password,
            folder,
            _folder_watch: folder_watch,
            keeper: keeper.clone(),
            program,
            log,
            runner,
            down: false,
        };
        // A port can be taken between our asking for it and the server's binding it: another is tried.
        let mut tries = 1;
        while let Err(error) = server.wait_ready().await {
            let ended_early = server.child.try_wait().ok().flatten().is_some();
            if tries == 3 || !ended_early {
                return Err(error);
            }
            tries += 1;
            server.port = port()?;
            server.launch()?;
        }
        Ok(server)
    }

    fn launch(&mut self) -> Result<(), PostgresError> {
        let data = self.folder.path().join("data");
        self.child = spawn(&self.program, &data, self.port, &self.log, self.runner)?;
        self.watch = Some(self.keeper.watch(Watched::Postgres(self.child.id())));
        self.down = false;
        Ok(())
    }

    async fn wait_ready(&mut self) -> Result<(), PostgresError> {
        wait_ready(&mut self.child, self.port, &self.password, &self.log).await
    }

    /// URL of the superuser on the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.port, &self.password)
    }

    /// Ends it as a power cut would: SIGKILL to the postmaster, no checkpoint.
    pub fn kill(&mut self) {
        self.end(Signal::SIGKILL);
    }

    /// Ends it in order: sessions are closed, a checkpoint is written.
    pub fn stop(&mut self) {
        self.end(Signal::SIGINT);
    }

    /// Starts it again on the same data and port, and waits until recovery is done.
    ///
    /// # Errors
    /// Fails if it does not become ready.
    pub async fn restart(&mut self) -> Result<(), PostgresError> {
        if !self.down {
            self.stop();
        }
        self.launch()?;
        self.wait_ready().await
    }

    /// Freezes the whole server, backends included.
    pub fn pause(&self) {
        self.signal_all(Signal::SIGSTOP);
    }

    /// Lets a frozen server go on.
    pub fn resume(&self) {
        self.signal_all(Signal::SIGCONT);
    }

    /// Why it is gone, if it ended without our doing.
    pub fn died(&mut self) -> Option<String> {
        if self.down {
            return None;
        }
        let status = self.child.try_wait().ok().flatten()?;
        Some(format!(
            "PostgreSQL ended by itself ({status}); last lines of {}:\n{}",
            self.log.display(),
            tail(&self.log)
        ))
    }

    /// Backends make themselves leaders of groups of their own, so each child is signalled too.
    fn signal_all(&self, signal: Signal) {
        let postmaster = self.child.id();
        for pid in std::iter::once(postmaster).chain(children_of(postmaster)) {
            let _ = kill(process(pid), signal);
        }
    }

    fn end(&mut self, signal: Signal) {
        if self.child.try_wait().ok().flatten().is_none() {
            let backends = children_of(self.child.id());
            // A frozen process does not see SIGINT.
            self.resume();
            let _ = kill(process(self.child.id()), signal);
            let deadline = Instant::now() + Duration::from_secs(10);
            while self.child.try_wait().ok().flatten().is_none() {
                if Instant::now() > deadline {
                    let _ = self.child.kill();
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            // Backends notice the postmaster's death by themselves; a restart must not meet one that has not.
            while backends.iter().any(|pid| kill(process(*pid), None).is_ok()) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.watch = None;
        self.down = true;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT ends at once and frees the shared memory; the data directory is about to go anyway.
        if !self.down {
            self.end(Signal::SIGQUIT);
        }
    }
}

/// A loopback port that was free a moment ago.
///
/// # Errors
/// Fails when the machine has none.
pub(crate) fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn url(port: u16, password: &str) -> String {
    // Said, because an ambient PGSSLMODE would otherwise decide it, and our own server has no certificate.
    format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres?sslmode=disable")
}

fn process(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

fn children_of(pid: u32) -> Vec<u32> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut numbers = line.split_whitespace().map(str::parse::<u32>);
            let (child, parent) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
            (parent == pid).then_some(child)
        })
        .collect()
}

fn spawn(
    program: &std::path::Path,
    data: &std::path::Path,
    port: u16,
    log: &std::path::Path,
    runner: Runner,
) -> Result<Child, PostgresError> {
    let io = |problem| PostgresError::Io { what: "cannot write", path: log.display().to_string(), problem };
    let output = File::options().create(true).append(true).open(log).map_err(io)?;
    let errors = output.try_clone().map_err(io)?;
    let mut command = Command::new(program);
    command.arg("-D").arg(data).arg("-p").arg(port.to_string());
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=on",
        "max_connections=300",
        "shared_buffers=128MB",
        "timezone=UTC",
    ] {
        command.arg("-c").arg(setting);
    }
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0);
    runner.apply(&mut command);
    command
        .spawn()
        .map_err(|error| PostgresError::Program { program: program.display().to_string(), output: error.to_string() })
}

async fn wait_ready(child: &mut Child, port: u16, password: &str, log: &std::path::Path) -> Result<(), PostgresError> {
    let deadline = Instant::now() + READY_WITHIN;
    let url = url(port, password);
    loop {
        if let Ok(connection) = PgConnection::connect(&url).await {
            let _ = connection.close().await;
            return Ok(());
        }
        let ended = child.try_wait().ok().flatten().is_some();
        if ended || Instant::now() > deadline {
            return Err(PostgresError::NotReady {
                seconds: READY_WITHIN.as_secs(),
                log: log.display().to_string(),
                tail: tail(log),
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
