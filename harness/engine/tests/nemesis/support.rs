//! A stage with two instances of the service to break and a PostgreSQL server of its own.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
    time::Duration,
};

use overdraft_engine::{
    clock::Clock,
    keeper::Keeper,
    nemesis::{self, Held, Turns},
    progress::Progress,
    provision::{
        Environment, Site,
        postgres::{Postgres, PostgresOptions, Way},
    },
    recorder::{self, Writer},
    stage::Stage,
};
use overdraft_model::{
    codec,
    fault::Fault,
    history::History,
    manifest::{Planned, World},
    scenario::Scenario,
    target::Target,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

pub(crate) struct Broken {
    pub(crate) stage: Arc<Stage>,
    environment: Environment,
    postgres: Postgres,
    writer: Writer,
    _folder: TempDir,
}

impl Broken {
    /// None where no PostgreSQL can be started here, which only a machine of one's own may say.
    pub(crate) async fn open(faults: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::start().expect("a shell");
        let postgres = match Postgres::start(&options(folder.path()), &keeper).await {
            Ok(postgres) => postgres,
            Err(error) => {
                skip(&error.to_string());
                return None;
            }
        };
        let target = target();
        let scenario: Scenario = codec::read_toml(&scenario(faults)).expect("a scenario");
        let mut planned = Planned { scenario, world: World::default(), script: String::new() };
        let program = std::env::current_exe().expect("this program");
        let site = Site {
            target: &target,
            target_folder: folder.path(),
            overdraft: &program,
            defect: None,
            logs: folder.path(),
            keeper: &keeper,
            seed: 1,
        };
        let name = format!("nemesis_{}", std::process::id());
        let environment = Environment::provision(&site, &postgres, &name, &mut planned).await.expect("a stage");
        let history = folder.path().join("history.jsonl");
        let (recorder, writer) = recorder::open(&history, Clock::start(), Progress::default()).expect("a file");
        let scenario = overdraft_model::history::Body::Scenario { name: "broken".into() };
        recorder.mark(scenario).await.expect("recorded");
        let stage = Arc::new(Stage {
            target,
            world: World::default(),
            base_urls: environment.base_urls.clone(),
            added: RwLock::default(),
            stripe: environment.stripe.clone(),
            email: environment.email.clone(),
            fleet: environment.fleet.clone(),
            database_url: environment.database_url.clone(),
            server: environment.server.clone(),
            wires: environment.wires.clone(),
            recorder,
            stop: CancellationToken::new(),
            began: Duration::ZERO,
        });
        Some(Self { stage, environment, postgres, writer, _folder: folder })
    }

    pub(crate) async fn inject(&self, fault: &str) -> Held {
        nemesis::inject(&self.stage, &read(fault), &Turns::default()).await.expect(fault)
    }

    pub(crate) async fn refuses(&self, fault: &str) -> String {
        nemesis::inject(&self.stage, &read(fault), &Turns::default()).await.expect_err(fault)
    }

    /// What an instance answers: its process id, and how far ahead its clock is. None if it does not.
    pub(crate) async fn answers(&self, turn: usize) -> Option<(u32, u64)> {
        let url = self.stage.instance(turn).1;
        let answer = reqwest::Client::new().get(url).timeout(Duration::from_millis(700)).send().await.ok()?;
        let text = answer.text().await.ok()?;
        let (pid, ahead) = text.split_once(' ')?;
        Some((pid.parse().ok()?, ahead.parse().ok()?))
    }

    /// Takes everything down and returns what was recorded.
    pub(crate) async fn close(self) -> History {
        drop(self.stage);
        self.environment.remove().await.expect("removed");
        self.postgres.stop().await;
        let events = self.writer.finish().expect("written");
        History::from_events(events).expect("a history").remove(0)
    }
}

#[expect(clippy::print_stderr, reason = "whoever reads a test's output wants to know what did not run")]
fn skip(reason: &str) {
    assert!(std::env::var_os("OVERDRAFT_NO_SKIPS").is_none(), "skips are failures here: {reason}");
    eprintln!("skipped: {reason}");
}

pub(crate) fn read(fault: &str) -> Fault {
    #[derive(serde::Deserialize)]
    struct File {
        fault: Fault,
    }
    codec::read_toml::<File>(&format!("fault = {fault}")).expect(fault).fault
}

fn scenario(faults: &str) -> String {
    format!(
        "id = \"broken\"\ntitle = \"t\"\nbreaks = \"b\"\nproves = []\n\
         workload = {{ kind = \"market\", credits = 1, price = 1, balance = 1 }}\n\
         load = {{ users = 2, rounds = 1 }}\n{faults}"
    )
}

fn target() -> Target {
    codec::read_toml(
        r#"
        name = "broken"
        [service]
        command = ["{overdraft}", "service::serve", "--exact", "--nocapture"]
        instances = 2
        ready = "/"
        [service.env]
        SERVE_PORT = "{port}"
        [setup]
        workspace = []
        lead = []
        [operations]
        [clock]
        method = "PUT"
        path = "/clock"
        json = { ahead_ms = "{ahead_ms}" }
        [locks]
        kept = "LOCK TABLE kept"
        [evidence]
        "#,
    )
    .expect("a target")
}

fn options(folder: &Path) -> PostgresOptions {
    PostgresOptions {
        url: None,
        way: Way::Local,
        image: String::new(),
        cache: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache"),
        scratch: std::env::temp_dir(),
        log: folder.join("postgresql.log"),
    }
}
