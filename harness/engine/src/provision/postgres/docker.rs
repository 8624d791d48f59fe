//! PostgreSQL in a container, through testcontainers.

use testcontainers::{
    ContainerAsync, GenericImage, ImageExt,
    core::{IntoContainerPort, WaitFor},
    runners::AsyncRunner,
};

use super::PostgresError;
use crate::keeper::{Keeper, Watch, Watched};

const PORT: u16 = 5432;

/// A running container.
#[derive(Debug)]
pub(super) struct Docker {
    container: ContainerAsync<GenericImage>,
    _watch: Watch,
    url: String,
}

/// Whether a Docker engine answers here.
pub async fn docker_available() -> Result<(), String> {
    let client = testcontainers::core::client::docker_client_instance().await.map_err(|error| error.to_string())?;
    client.ping().await.map(|_| ()).map_err(|error| error.to_string())
}

impl Docker {
    pub(super) async fn start(image: &str, keeper: &Keeper) -> Result<Self, PostgresError> {
        docker_available().await.map_err(PostgresError::Docker)?;
        let failed = |error: testcontainers::TestcontainersError| PostgresError::Docker(error.to_string());
        let password = uuid::Uuid::new_v4().simple().to_string();
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        // The message appears once for the set-up server and once for the real one, which alone listens on TCP.
        let container = GenericImage::new(name, tag)
            .with_exposed_port(PORT.tcp())
            .with_wait_for(WaitFor::message_on_stderr("database system is ready to accept connections"))
            .with_env_var("POSTGRES_PASSWORD", &password)
            .with_env_var("POSTGRES_DB", "postgres")
            .start()
            .await
            .map_err(failed)?;
        let watch = keeper.watch(Watched::Container(container.id().to_owned()));
        let host = container.get_host().await.map_err(failed)?;
        let port = container.get_host_port_ipv4(PORT).await.map_err(failed)?;
        let url = format!("postgres://postgres:{password}@{host}:{port}/postgres");
        wait_ready(&url).await?;
        Ok(Self { container, _watch: watch, url })
    }

    pub(super) fn url(&self) -> String {
        self.url.clone()
    }

    pub(super) async fn remove(self) {
        // The keeper has it on its list should this fail.
        let _ = self.container.rm().await;
    }
}

async fn wait_ready(url: &str) -> Result<(), PostgresError> {
    use sqlx::{Connection, PgConnection};
    let mut last = None;
    for _ in 0..600 {
        match PgConnection::connect(url).await {
            Ok(connection) => {
                let _ = connection.close().await;
                return Ok(());
            }
            Err(problem) => last = Some(problem),
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let problem = last.unwrap_or(sqlx::Error::PoolTimedOut);
    Err(PostgresError::Connection { at: super::database::without_password(url), problem })
}
