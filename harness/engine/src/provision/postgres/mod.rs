//! A PostgreSQL to test against, by whichever way this machine offers, as a guard that leaves nothing.
//!
//! In order: a server whose URL was given; installed binaries, started by us; Docker; a download. An
//! ambient `DATABASE_URL` is never looked at: it may be somebody's production.

mod binaries;
mod database;
mod docker;
mod download;
mod server;
mod template;

use std::{path::PathBuf, str::FromStr, sync::Arc};

pub use database::Database;
pub(crate) use database::without_password;
pub use docker::docker_available;
pub use server::Server;
pub(crate) use server::free_port;
use sqlx::{Connection, PgConnection};
use tokio::sync::Mutex;

use crate::keeper::Keeper;

/// Which way to come by a PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// Local, else Docker, else download.
    #[default]
    Auto,
    /// Installed binaries only.
    Local,
    /// A container only.
    Docker,
    /// Downloaded binaries only.
    Download,
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "local" => Ok(Self::Local),
            "docker" => Ok(Self::Docker),
            "download" => Ok(Self::Download),
            other => Err(format!("`{other}` is none of auto, local, docker, download")),
        }
    }
}

/// How to come by a PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// A server that was given; nothing is started then.
    pub url: Option<String>,
    /// The way, where none was given.
    pub way: Way,
    /// Image for the Docker way, `name:tag`.
    pub image: String,
    /// Where the template data directory and downloads are kept between runs.
    pub cache: PathBuf,
    /// Where data directories live while they are used. Must be reachable by other users when we are root.
    pub scratch: PathBuf,
    /// Where the server's log goes.
    pub log: PathBuf,
}

/// Why there is no PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// Nothing worked in `auto`.
    #[error(
        "no PostgreSQL could be started.\n  local: {local}\n  docker: {docker}\n  download: {download}\n\
         Remedies: install PostgreSQL (`apt-get install postgresql`, `brew install postgresql`), or start a Docker \
         engine, or give a server with --database-url postgres://user:password@127.0.0.1/postgres"
    )]
    None {
        /// Why installed binaries did not do.
        local: String,
        /// Why Docker did not do.
        docker: String,
        /// Why the download did not do.
        download: String,
    },
    /// No installed binaries.
    #[error("no installed binaries: looked in {looked}; install PostgreSQL or try --postgres docker")]
    NoBinaries {
        /// The places looked at.
        looked: String,
    },
    /// A server program failed.
    #[error("{program} failed: {output}")]
    Program {
        /// Which one.
        program: String,
        /// Its last words.
        output: String,
    },
    /// The server did not come up.
    #[error("PostgreSQL did not become ready within {seconds} s; last lines of {log}:\n{tail}")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// Its log file.
        log: String,
        /// The end of its log.
        tail: String,
    },
    /// The server could not be asked.
    #[error("cannot use PostgreSQL at {at}: {problem}")]
    Connection {
        /// Host and port, without the password.
        at: String,
        /// What the driver said.
        problem: sqlx::Error,
    },
    /// Docker said no.
    #[error("Docker: {0}")]
    Docker(String),
    /// The download failed.
    #[error("download: {0}")]
    Download(String),
    /// The file system said no.
    #[error("{what} {path}: {problem}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: String,
        /// What the system said.
        problem: std::io::Error,
    },
}

/// Where installed binaries are, and their version.
///
/// # Errors
/// Fails if there are none.
pub fn installed() -> Result<String, PostgresError> {
    binaries::find().map(|found| format!("{} in {}", found.version, found.folder.display()))
}

/// A PostgreSQL to test against. Dropping it stops what was started and removes what was made.
#[derive(Debug)]
pub struct Postgres {
    kind: Kind,
    admin_url: String,
    how: String,
}

/// A server process, for those who end and start it. Whoever holds the lock is at it.
pub type SharedServer = Arc<Mutex<Server>>;

#[derive(Debug)]
enum Kind {
    Given,
    Server(SharedServer),
    Docker(Box<docker::Docker>),
}

impl Postgres {
    /// Comes by a PostgreSQL in the way that the options ask for.
    ///
    /// # Errors
    /// Fails with every remedy where none can be had.
    pub async fn start(options: &PostgresOptions, keeper: &Keeper) -> Result<Self, PostgresError> {
        if let Some(url) = &options.url {
            return Self::finish(Kind::Given, url.clone(), "given by URL").await;
        }
        match options.way {
            Way::Local => Self::local(options, keeper).await,
            Way::Docker => Self::docker(options, keeper).await,
            Way::Download => Self::download(options, keeper).await,
            Way::Auto => {
                let local = match Self::local(options, keeper).await {
                    Ok(started) => return Ok(started),
                    Err(error) => error.to_string(),
                };
                let docker = match Self::docker(options, keeper).await {
                    Ok(started) => return Ok(started),
                    Err(error) => error.to_string(),
                };
                let download = match Self::download(options, keeper).await {
                    Ok(started) => return Ok(started),
                    Err(error) => error.to_string(),
                };
                Err(PostgresError::None { local, docker, download })
            }
        }
    }

    async fn local(options: &PostgresOptions, keeper: &Keeper) -> Result<Self, PostgresError> {
        let binaries = binaries::find()?;
        let how = format!("installed in {}, started by us", binaries.folder.display());
        Self::serve(options, keeper, &binaries, &how).await
    }

    async fn download(options: &PostgresOptions, keeper: &Keeper) -> Result<Self, PostgresError> {
        let binaries = download::fetch(&options.cache).await?;
        Self::serve(options, keeper, &binaries, "downloaded, started by us").await
    }

    async fn serve(
        options: &PostgresOptions,
        keeper: &Keeper,
        binaries: &binaries::Binaries,
        how: &str,
    ) -> Result<Self, PostgresError> {
        let server = Server::start(options, keeper, binaries).await?;
        let url = server.url();
        Self::finish(Kind::Server(Arc::new(Mutex::new(server))), url, how).await
    }

    async fn docker(options: &PostgresOptions, keeper: &Keeper) -> Result<Self, PostgresError> {
        let container = docker::Docker::start(&options.image, keeper).await?;
        let (url, how) = (container.url(), format!("container of {}", options.image));
        Self::finish(Kind::Docker(Box::new(container)), url, &how).await
    }

    async fn finish(kind: Kind, admin_url: String, how: &str) -> Result<Self, PostgresError> {
        let version: String = async {
            let mut connection = PgConnection::connect(&admin_url).await?;
            let version = sqlx::query_scalar("SHOW server_version").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(version)
        }
        .await
        .map_err(|problem| PostgresError::Connection { at: without_password(&admin_url), problem })?;
        let version = version.split_whitespace().next().unwrap_or_default();
        Ok(Self { kind, admin_url, how: format!("PostgreSQL {version}, {how}") })
    }

    /// Version and way, for the manifest.
    #[must_use]
    pub fn how(&self) -> &str {
        &self.how
    }

    /// Makes an empty database of our own. Dropping the guard does not drop the database: call
    /// [`Database::remove`], or let the server go with it.
    ///
    /// # Errors
    /// Fails if the server refuses it.
    pub async fn create_database(&self, name: &str, roles: &[String]) -> Result<Database, PostgresError> {
        Database::create(&self.admin_url, name, roles).await
    }

    /// The server process, where we started one: it can be killed, stopped, restarted and paused.
    #[must_use]
    pub fn server(&self) -> Option<SharedServer> {
        match &self.kind {
            Kind::Server(server) => Some(Arc::clone(server)),
            Kind::Given | Kind::Docker(_) => None,
        }
    }

    /// Why the server is gone, if it ended without our doing.
    #[must_use]
    pub fn died(&self) -> Option<String> {
        self.server()?.try_lock().ok()?.died()
    }

    /// Stops what was started and removes what was made.
    pub async fn stop(self) {
        match self.kind {
            Kind::Given => {}
            Kind::Server(server) => drop(server),
            Kind::Docker(container) => container.remove().await,
        }
    }
}
