//! A run from plan to verdict: the folder, PostgreSQL, the scenarios one by one, the judgement, the reports.

use std::path::{Path, PathBuf};

use overdraft_engine::{
    chaos_toolkit,
    clock::Clock,
    keeper::Keeper,
    progress::Progress,
    provision::{
        Site,
        postgres::{Postgres, PostgresOptions},
    },
    recorder::{self, Recorder},
    run::Runner,
    store::Store,
};
use overdraft_model::{
    evidence::RunEvidence,
    history::History,
    manifest::{FORMAT, Manifest, Provenance},
    verdict::{Validity, Verdict},
};
use overdraft_scenarios::perform::Performer;
use tokio_util::sync::CancellationToken;

use crate::{
    config::Plan,
    display::Display,
    exit::{Exit, Failure},
    interrupt, output, target,
};

/// A run that came to its end: its verdict and where its files are.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) verdict: Verdict,
    pub(crate) folder: PathBuf,
}

/// Performs a plan.
pub(crate) fn perform(plan: &Plan) -> Result<Finished, Failure> {
    silence_libraries();
    let interrupt = interrupt::token();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::harness)?;
    let finished = runtime.block_on(Session::open(plan, interrupt)?.perform());
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    finished
}

/// goose and others log a line per failed request: what matters of it is in the history.
fn silence_libraries() {
    let filter = std::env::var("OVERDRAFT_LOG").unwrap_or_else(|_| "off".into());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}

struct Session<'a> {
    plan: &'a Plan,
    run: String,
    store: Store,
    keeper: Keeper,
    interrupt: CancellationToken,
    clock: Clock,
    progress: Progress,
    started: chrono::DateTime<chrono::Utc>,
}

impl<'a> Session<'a> {
    fn open(plan: &'a Plan, interrupt: CancellationToken) -> Result<Self, Failure> {
        let started = chrono::Utc::now();
        let run = format!("{}-{}", started.format("%Y%m%d-%H%M%S"), plan.seed);
        let store = match &plan.common.out {
            Some(folder) if folder.is_dir() => take_over(folder)?,
            Some(folder) => Store::create(folder.clone()).map_err(Failure::harness)?,
            None => {
                let store = Store::create(Path::new("runs").join(&run)).map_err(Failure::harness)?;
                store.mark_latest();
                store
            }
        };
        let keeper = Keeper::start().map_err(|error| Failure::harness(format!("cannot start `sh`: {error}")))?;
        Ok(Self { plan, run, store, keeper, interrupt, clock: Clock::start(), progress: Progress::default(), started })
    }

    async fn perform(self) -> Result<Finished, Failure> {
        let display = Display::start(self.progress.clone(), self.plan.scenarios.len());
        self.progress.enter("", "starting PostgreSQL");
        let options = self.postgres_options();
        let starting = Postgres::start(&options, &self.keeper);
        let mut postgres = match self.interrupt.clone().run_until_cancelled(starting).await {
            Some(started) => started.map_err(Failure::harness)?,
            None => return Err(Failure { exit: Exit::Interrupted, message: "interrupted".into() }),
        };
        let mut manifest = self.manifest(postgres.how());
        self.store.save_manifest(&manifest).map_err(Failure::harness)?;
        let (recorder, writer) =
            recorder::open(&self.store.history(), self.clock, self.progress.clone()).map_err(Failure::harness)?;
        let mut evidence = RunEvidence::default();
        let outcome = self.scenarios(&mut postgres, &mut manifest, &mut evidence, recorder).await;
        postgres.stop().await;
        drop(display);
        let events = writer.finish().map_err(|error| self.kept(&Failure::harness(error)))?;
        let histories = History::from_events(events).map_err(Failure::harness)?;
        let verdict = overdraft_checkers::judge(&manifest, &histories, &evidence);
        self.write_reports(&verdict)?;
        self.write_journal(&verdict, &histories)?;
        match outcome {
            Ok(()) => Ok(Finished { verdict, folder: self.store.folder().to_owned() }),
            Err(failure) => Err(self.kept(&failure)),
        }
    }

    async fn scenarios(
        &self,
        postgres: &mut Postgres,
        manifest: &mut Manifest,
        evidence: &mut RunEvidence,
        recorder: Recorder,
    ) -> Result<(), Failure> {
        let overdraft = std::env::current_exe().map_err(Failure::harness)?;
        let logs = self.store.logs();
        let driver = Performer::new(self.plan.seed);
        for number in 0..manifest.scenarios.len() {
            if manifest.skip.contains_key(&manifest.scenarios[number].scenario.id) {
                continue;
            }
            let folder = logs.join(&manifest.scenarios[number].scenario.id);
            std::fs::create_dir_all(&folder)
                .map_err(|error| Failure::harness(format!("cannot create {}: {error}", folder.display())))?;
            let runner = Runner {
                site: Site {
                    target: &self.plan.target.target,
                    target_folder: &self.plan.target.folder,
                    overdraft: &overdraft,
                    defect: self.plan.defect.as_deref(),
                    logs: &folder,
                    keeper: &self.keeper,
                    seed: self.plan.seed,
                },
                recorder: recorder.clone(),
                driver: &driver,
                interrupt: self.interrupt.clone(),
            };
            let database = format!("overdraft_{}_{}", std::process::id(), number + 1);
            let collected = runner.scenario(postgres, &database, &mut manifest.scenarios[number]).await;
            evidence.scenarios.push(collected.map_err(|error| Failure::of_run(&error))?);
            self.store.save_evidence(evidence).map_err(Failure::harness)?;
            self.store.save_manifest(manifest).map_err(Failure::harness)?;
            self.count_findings(number);
        }
        Ok(())
    }

    /// For the display only: the verdict is made from the whole run.
    fn count_findings(&self, number: usize) {
        let Ok(record) = self.store.load() else { return };
        let so_far = overdraft_checkers::judge(&record.manifest, &record.histories, &record.evidence);
        let checks = so_far.scenarios.get(number).map(|scenario| scenario.checks.as_slice()).unwrap_or_default();
        let invalid = checks.iter().filter(|check| check.validity == Validity::Invalid);
        self.progress.found(invalid.map(|check| check.findings.len() as u64).sum());
    }

    fn postgres_options(&self) -> PostgresOptions {
        PostgresOptions {
            url: self.plan.common.server.database_url.clone(),
            way: self.plan.way,
            image: self.plan.common.server.postgres_image.clone(),
            cache: cache(),
            scratch: std::env::temp_dir(),
            log: self.store.logs().join("postgresql.log"),
        }
    }

    fn manifest(&self, postgresql: &str) -> Manifest {
        let plan = self.plan;
        let service = &plan.target.target.service;
        Manifest {
            format: FORMAT,
            provenance: Provenance {
                run: self.run.clone(),
                seed: plan.seed,
                target: plan.target.target.name.clone(),
                configuration: plan.configuration.clone(),
                defect: plan.defect.clone(),
                started: self.started.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
                overdraft: env!("CARGO_PKG_VERSION").into(),
                postgresql: postgresql.into(),
                instances: if service.base_urls.is_empty() { service.instances } else { service.base_urls.len() },
                host: host(),
                replay: plan.replay.clone(),
            },
            scenarios: plan.scenarios.clone(),
            skip: plan.target.target.skip.clone(),
            promises: plan.target.target.promises,
            stated: plan.target.target.stated(),
            mapped: target::mapped(&plan.target.target),
        }
    }

    /// The experiment's journal, where one was given.
    fn write_journal(&self, verdict: &Verdict, histories: &[History]) -> Result<(), Failure> {
        let (Some(experiment), Some(history)) = (&self.plan.experiment, histories.first()) else { return Ok(()) };
        let outcome = match verdict.validity {
            Validity::Valid => chaos_toolkit::Outcome::Held,
            Validity::Invalid => chaos_toolkit::Outcome::Deviated,
            Validity::Unknown => chaos_toolkit::Outcome::Failed,
        };
        let journal = chaos_toolkit::journal(experiment, history, self.started, outcome);
        self.store.save("journal.json", format!("{journal:#}\n").as_bytes()).map_err(Failure::harness)
    }

    fn write_reports(&self, verdict: &Verdict) -> Result<(), Failure> {
        write_reports(&self.store, verdict, None)
    }

    /// Adds where the record is to why there is no more of it.
    fn kept(&self, failure: &Failure) -> Failure {
        let folder = self.store.folder().display();
        let message =
            format!("{}\nwhat was recorded is in {folder}; `overdraft check {folder}` judges it", failure.message);
        Failure { exit: failure.exit, message }
    }
}

/// Writes every report into a run's folder.
pub(crate) fn write_reports(store: &Store, verdict: &Verdict, baseline: Option<&Verdict>) -> Result<(), Failure> {
    let junit = overdraft_reports::junit(verdict).map_err(Failure::harness)?;
    let files = [
        ("verdict.json", overdraft_reports::json(verdict)),
        ("report.html", overdraft_reports::html(verdict, baseline)),
        ("junit.xml", junit),
        ("summary.md", overdraft_reports::markdown(verdict)),
    ];
    for (name, text) in files {
        store.save(name, text.as_bytes()).map_err(Failure::harness)?;
    }
    Ok(())
}

/// An empty folder is used as it is: it may be a mount point, or where we are, and cannot be made anew.
fn take_over(folder: &Path) -> Result<Store, Failure> {
    require_empty(folder)?;
    let store = Store::open(folder.to_owned());
    std::fs::create_dir(store.logs()).map_err(|error| unusable(folder, &error))?;
    Ok(store)
}

/// Refuses a folder in which there is something.
pub(super) fn require_empty(folder: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(folder).map_err(|error| unusable(folder, &error))?.next() {
        None => Ok(()),
        Some(_) => Err(Failure::usage(format!("--out {}: exists and is not empty", folder.display()))),
    }
}

/// Why nothing can be written there.
pub(super) fn unusable(folder: &Path, error: &std::io::Error) -> Failure {
    Failure::harness(format!("cannot use --out {}: {error}", folder.display()))
}

/// Where the PostgreSQL template is kept between runs.
fn cache() -> PathBuf {
    let home = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")));
    let folder = home.map(|home| home.join("overdraft")).filter(|folder| std::fs::create_dir_all(folder).is_ok());
    folder.unwrap_or_else(|| std::env::temp_dir().join(format!("overdraft-cache-{}", whoami())))
}

fn whoami() -> String {
    std::env::var("USER").unwrap_or_else(|_| "nobody".into())
}

/// Operating system, processors and memory, as far as they can be known without asking anybody.
pub(super) fn host() -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let kib: u64 = text.lines().next()?.split_whitespace().nth(1)?.parse().ok()?;
        Some(format!(", {:.0} GiB of memory", kib as f64 / 1_048_576.0))
    });
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("{system} {machine}, {processors} processors{}", memory.unwrap_or_default())
}

/// Prints a verdict in the format asked for.
pub(crate) fn print(verdict: &Verdict, folder: &Path, format: crate::args::Format) -> Result<(), Failure> {
    use crate::args::Format;
    let text = match format {
        Format::Console => {
            let style = overdraft_reports::Style { color: output::colours(), width: 100 };
            let report = folder.join("report.html");
            let logs = match verdict.validity {
                Validity::Valid => String::new(),
                Validity::Unknown | Validity::Invalid => format!("logs    {}\n", folder.join("logs").display()),
            };
            format!("{}report  {}\n{logs}", overdraft_reports::console(verdict, style), report.display())
        }
        Format::Json => overdraft_reports::json(verdict),
        Format::Markdown => overdraft_reports::markdown(verdict),
        Format::Junit => overdraft_reports::junit(verdict).map_err(Failure::harness)?,
    };
    output::say(&text);
    Ok(())
}
