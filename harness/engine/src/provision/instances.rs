//! The target's own processes: prepared, started, watched until ready, stopped as a guard.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use overdraft_model::target::Service;
use serde_json::json;

use super::{logs::tail, postgres::free_port};
use crate::{
    fill::{self, Values},
    keeper::{Keeper, Watch, Watched},
};

/// How long `prepare` may take: migrations of a real service can be slow.
const PREPARE_WITHIN: Duration = Duration::from_secs(300);
/// How long an instance may take to shut down in order.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why there is no instance to test.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The program could not be started.
    #[error("cannot start `{program}`: {problem}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        problem: std::io::Error,
    },
    /// `prepare` failed.
    #[error("`{program}` failed ({how}); last lines of {log}:\n{tail}")]
    Prepare {
        /// The program and its arguments.
        program: String,
        /// Its exit status, or that it took too long.
        how: String,
        /// Its log.
        log: String,
        /// The end of its log.
        tail: String,
    },
    /// An instance did not become ready.
    #[error("{url} did not answer 2xx {why}; last lines of {log}:\n{tail}")]
    NotReady {
        /// The URL that was asked.
        url: String,
        /// Within what time, or that it ended.
        why: String,
        /// Its log, if it is ours.
        log: String,
        /// The end of its log.
        tail: String,
    },
    /// A placeholder stands for nothing.
    #[error("target file, service: {0}")]
    Fill(#[from] fill::FillError),
}

/// One instance of the target.
#[derive(Debug)]
pub struct Instance {
    /// Where it answers, without a trailing slash.
    pub base_url: String,
    number: usize,
    /// Its port; none for one that already ran.
    port: Option<u16>,
    /// Its process; none for one that already ran, and for one that was killed.
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    _watch: Watch,
    log: PathBuf,
}

/// Everything needed to start processes of the target.
#[derive(Debug, Clone)]
pub struct Launcher {
    /// The target file's part.
    pub service: Service,
    /// Placeholders: `database_url`, `stripe_url`, `email_url`, `alert_url`, `webhook_secret`, `seed`, `overdraft`, `dir`.
    pub values: Values,
    /// The planted defect, if one was asked for.
    pub defect: Option<String>,
    /// The folder for logs.
    pub logs: PathBuf,
    /// Who clears away after us.
    pub keeper: Keeper,
    /// For asking whether an instance is ready.
    pub http: reqwest::Client,
}

impl Launcher {
    /// Runs `prepare` to its end.
    ///
    /// # Errors
    /// Fails if it cannot be started, exits with an error or takes too long.
    pub async fn prepare(&self) -> Result<(), InstanceError> {
        if self.service.prepare.is_empty() {
            return Ok(());
        }
        let log = self.logs.join("prepare.log");
        // The environment is the instances' own, which may name a port: nothing listens on this one.
        let mut values = self.values.clone();
        values.extend([("port".to_owned(), json!(0)), ("instance".to_owned(), json!(0))]);
        let mut process = self.spawn(&self.service.prepare, &values, &log)?;
        let deadline = Instant::now() + PREPARE_WITHIN;
        let how = loop {
            match process.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => break status.to_string(),
                Ok(None) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(5)).await,
                Ok(None) => break format!("not done within {} s", PREPARE_WITHIN.as_secs()),
                Err(problem) => break problem.to_string(),
            }
        };
        let program = self.service.prepare.join(" ");
        Err(InstanceError::Prepare { program, how, log: log.display().to_string(), tail: tail(&log) })
    }

    /// Starts every instance, or takes those that already run, and waits until all are ready.
    ///
    /// # Errors
    /// Fails if one does not become ready.
    pub async fn start(&self) -> Result<Vec<Instance>, InstanceError> {
        let mut instances = Vec::new();
        for (number, url) in self.service.base_urls.iter().enumerate() {
            let base_url = url.trim_end_matches('/').to_owned();
            instances.push(Instance { base_url, number, port: None, process: None });
        }
        if instances.is_empty() {
            for number in 0..self.service.instances {
                instances.push(self.launch(number)?);
            }
        }
        for instance in &mut instances {
            self.wait_first_ready(instance).await?;
        }
        Ok(instances)
    }

    /// Waits until one that has just been launched is ready. A port can be taken between our asking for it and the
    /// target's binding it: one that ends at once is launched on another, and then no more.
    ///
    /// # Errors
    /// Fails if it does not become ready.
    pub async fn wait_first_ready(&self, instance: &mut Instance) -> Result<(), InstanceError> {
        let Err(error) = self.wait_ready(instance).await else { return Ok(()) };
        if instance.port.is_none() || instance.ended().is_none() {
            return Err(error);
        }
        // The first is cleared away, with all that it may have left running, before there is another.
        instance.process = None;
        *instance = self.launch(instance.number)?;
        self.wait_ready(instance).await
    }

    /// Starts one instance on a port of its own; it is not waited for.
    ///
    /// # Errors
    /// Fails if the program cannot be started.
    pub fn launch(&self, number: usize) -> Result<Instance, InstanceError> {
        let problem = |problem| InstanceError::Spawn { program: self.service.command.join(" "), problem };
        let port = free_port().map_err(problem)?;
        let base_url = format!("http://127.0.0.1:{port}");
        Ok(Instance { base_url, number, port: Some(port), process: Some(self.spawn_instance(number, port)?) })
    }

    fn spawn_instance(&self, number: usize, port: u16) -> Result<Process, InstanceError> {
        let mut values = self.values.clone();
        values.insert("port".into(), json!(port));
        values.insert("instance".into(), json!(number));
        self.spawn(&self.service.command, &values, &self.logs.join(format!("instance-{number}.log")))
    }

    /// Starts an instance that is not running, on its own port; it is not waited for. Whether it was started.
    ///
    /// # Errors
    /// Fails if the program cannot be started.
    pub fn start_again(&self, instance: &mut Instance) -> Result<bool, InstanceError> {
        let (Some(port), None) = (instance.port, &instance.process) else { return Ok(false) };
        instance.process = Some(self.spawn_instance(instance.number, port)?);
        Ok(true)
    }

    /// How long an instance may take to become ready.
    #[must_use]
    pub fn ready_within(&self) -> Duration {
        self.service.ready_within.duration()
    }

    fn spawn(&self, words: &[String], values: &Values, log: &Path) -> Result<Process, InstanceError> {
        let program_of = |problem| InstanceError::Spawn { program: words.join(" "), problem };
        let mut values = values.clone();
        let mut words: Vec<&String> = words.iter().collect();
        if let Some(defect) = &self.defect {
            values.insert("defect".into(), json!(defect));
            words.extend(&self.service.defect_args);
        }
        let words = words.iter().map(|word| fill::text(word, &values)).collect::<Result<Vec<_>, _>>()?;
        let output = File::options().create(true).append(true).open(log).map_err(program_of)?;
        let errors = output.try_clone().map_err(program_of)?;
        let mut command = Command::new(words.first().map_or("", String::as_str));
        command.args(words.iter().skip(1)).env_clear();
        for name in ["PATH", "HOME", "LANG"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        for (name, value) in &self.service.env {
            command.env(name, fill::text(value, &values)?);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|problem| InstanceError::Spawn { program: words.join(" "), problem })?;
        let watch = self.keeper.watch(Watched::Group(child.id()));
        Ok(Process { child, _watch: watch, log: log.to_owned() })
    }

    /// Whether an instance says that it is ready.
    pub async fn is_ready(&self, base_url: &str) -> bool {
        let url = format!("{base_url}{}", self.service.ready);
        let answer = self.http.get(&url).timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Waits until an instance is ready.
    ///
    /// # Errors
    /// Fails if it ends, or does not become ready within the target file's time.
    pub async fn wait_ready(&self, instance: &mut Instance) -> Result<(), InstanceError> {
        let deadline = Instant::now() + self.ready_within();
        while !self.is_ready(&instance.base_url).await {
            self.not_ready(instance, deadline)?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Who has ended did not answer: another process has its port.
        if instance.ended().is_some() { self.not_ready(instance, deadline) } else { Ok(()) }
    }

    /// Whether one that is not ready yet may still become so.
    ///
    /// # Errors
    /// Fails if it has ended, or its time is over.
    pub fn not_ready(&self, instance: &mut Instance, deadline: Instant) -> Result<(), InstanceError> {
        let why = match instance.ended() {
            Some(status) => format!("and ended ({status})"),
            None if Instant::now() > deadline => format!("within {}", self.service.ready_within),
            None => return Ok(()),
        };
        let url = format!("{}{}", instance.base_url, self.service.ready);
        let log = instance.process.as_ref().map(|process| process.log.clone()).unwrap_or_default();
        Err(InstanceError::NotReady { url, why, log: log.display().to_string(), tail: tail(&log) })
    }
}

impl Instance {
    /// The exit status, if it ended without our doing.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.child.try_wait().ok().flatten())
    }

    /// The end of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.process.as_ref().map(|process| tail(&process.log)).unwrap_or_default()
    }

    /// Kills it with everything in its process group: SIGKILL. It is not running then, by our doing. False for one
    /// that is not ours, or not running.
    pub fn kill(&mut self) -> bool {
        let Some(process) = self.process.take() else { return false };
        signal(process.child.id(), Signal::SIGKILL);
        true
    }

    /// Asks it to shut down in order: SIGTERM. Dropping it afterwards waits for the end.
    pub fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Lets it stand still: SIGSTOP. False for one that is not ours, or not running.
    pub fn freeze(&self) -> bool {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on: SIGCONT.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Asks it to shut down in order and waits for its end. Whether it came in time by itself; if not, it was
    /// killed. None for one that is not ours, or not running.
    pub async fn end(&mut self) -> Option<bool> {
        self.terminate();
        let mut process = self.process.take()?;
        let deadline = Instant::now() + STOP_WITHIN;
        loop {
            if process.child.try_wait().ok().flatten().is_some() {
                return Some(true);
            }
            if Instant::now() > deadline {
                signal(process.child.id(), Signal::SIGKILL);
                return Some(false);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Its process id; none for one that is not ours, or not running.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    fn signal(&self, which: Signal) -> bool {
        self.process.as_ref().map(|process| signal(process.child.id(), which)).is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.try_wait().ok().flatten().is_none() {
            signal(self.child.id(), Signal::SIGTERM);
            // A frozen process does not see it.
            signal(self.child.id(), Signal::SIGCONT);
            let deadline = Instant::now() + STOP_WITHIN;
            while self.child.try_wait().ok().flatten().is_none() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // Also what it may have left behind in its group.
        signal(self.child.id(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

fn signal(group: u32, signal: Signal) {
    if let Ok(group) = i32::try_from(group) {
        let _ = killpg(Pid::from_raw(group), signal);
    }
}
