//! Everything a scenario needs, as guards: a database, the providers, the target's instances, the world.

mod fleet;
mod instances;
mod logs;
pub mod network;
pub mod postgres;
mod wires;
mod world;

use std::{path::Path, time::Duration};

pub use fleet::{Ended, Fleet};
pub use instances::{Instance, InstanceError, Launcher};
use overdraft_faults::{
    email::EmailSim,
    stripe::{StripeSettings, StripeSim},
};
use overdraft_model::{fault::toxic::Between, manifest::Planned, target::Target};
use serde_json::json;
pub use wires::{WireError, Wires};
pub use world::WorldError;
pub(crate) use world::open as open_session;

use crate::{
    fill::{self, Values},
    keeper::Keeper,
    race,
};
use postgres::{Database, Postgres, PostgresError, SharedServer};

/// What Stripe's newest API calls itself, and what its events carry.
const STRIPE_API_VERSION: &str = "2026-10-28.endive";
/// Three days of Stripe's retries in about ten seconds.
const RETRY_COMPRESSION: u32 = 20_000;

/// Why a scenario's environment could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// No database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// No instance.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// No world.
    #[error(transparent)]
    World(#[from] WorldError),
    /// No proxy in a wire.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// No simulated provider.
    #[error("no provider could be simulated: {0}")]
    Provider(std::io::Error),
    /// Races cannot be released as the target file says.
    #[error(
        "service.races = \"single-write\" needs instances that speak HTTP/2 without TLS and with prior knowledge, but \
         {url}: {problem}; have it speak HTTP/2, or leave `races` at \"last-byte\""
    )]
    Races {
        /// The instance.
        url: String,
        /// What it lacks.
        problem: String,
    },
}

/// What stays the same for every scenario of a run.
#[derive(Debug)]
pub struct Site<'a> {
    /// The target file.
    pub target: &'a Target,
    /// The folder of the target file.
    pub target_folder: &'a Path,
    /// This program, for targets that are part of it.
    pub overdraft: &'a Path,
    /// The planted defect, if one was asked for.
    pub defect: Option<&'a str>,
    /// The folder for logs.
    pub logs: &'a Path,
    /// Who clears away after us.
    pub keeper: &'a Keeper,
    /// The run's seed.
    pub seed: u64,
}

/// One scenario's environment. Dropping it stops the instances; [`Environment::remove`] also drops the database.
#[derive(Debug)]
pub struct Environment {
    /// Where the instances answer.
    pub base_urls: Vec<String>,
    /// The payment provider.
    pub stripe: StripeSim,
    /// The email provider and the alert hook.
    pub email: EmailSim,
    /// The database that the evidence is read from.
    pub database_url: String,
    /// The server that it is on, where we started one.
    pub server: Option<SharedServer>,
    /// The proxies in the wires that are to be spoilt.
    pub wires: Wires,
    /// The instances.
    pub fleet: Fleet,
    database: Option<Database>,
}

impl Environment {
    /// Makes the database, starts providers and instances, and creates the world, whose values it completes.
    ///
    /// # Errors
    /// Fails if any part cannot be had; what was made so far is removed again.
    pub async fn provision(
        site: &Site<'_>,
        postgres: &Postgres,
        name: &str,
        planned: &mut Planned,
    ) -> Result<Self, ProvisionError> {
        let (database, database_url) = match &site.target.database.url {
            Some(url) => (None, url.clone()),
            None => {
                let database = postgres.create_database(name, &site.target.database.roles).await?;
                let url = database.url().to_owned();
                (Some(database), url)
            }
        };
        match Self::in_database(site, planned, &database_url).await {
            Ok(Started { stripe, email, fleet, base_urls, wires }) => {
                let server = database.as_ref().and_then(|_| postgres.server());
                Ok(Self { base_urls, stripe, email, database_url, server, wires, fleet, database })
            }
            Err(error) => {
                if let Some(database) = database {
                    let _ = database.remove().await;
                }
                Err(error)
            }
        }
    }

    async fn in_database(
        site: &Site<'_>,
        planned: &mut Planned,
        database_url: &str,
    ) -> Result<Started, ProvisionError> {
        let target = site.target;
        let secret_of =
            |text: &str| fill::text(text, &[("webhook_secret".to_owned(), json!(secret(site.seed)))].into());
        let secret = match &target.webhook {
            Some(webhook) => secret_of(&webhook.secret).map_err(InstanceError::Fill)?,
            None => secret(site.seed),
        };
        let stripe = StripeSim::start(StripeSettings {
            seed: site.seed,
            webhook_secret: secret.clone(),
            api_version: STRIPE_API_VERSION.into(),
            retry_compression: RETRY_COMPRESSION,
            tolerance: target.webhook.as_ref().map_or(Duration::from_secs(300), |webhook| webhook.tolerance.duration()),
        })
        .await
        .map_err(ProvisionError::Provider)?;
        let email = EmailSim::start(site.seed, target.email.clone()).await.map_err(ProvisionError::Provider)?;
        let mut wires = Wires::new(site.seed);
        let url_of_instances = wires.lead_to_the_database(&planned.scenario, database_url).await?;
        let values: Values = [
            ("database_url", json!(database_url)),
            ("stripe_url", json!(wires.lead(&planned.scenario, Between::ServiceStripe, stripe.url()).await?)),
            ("email_url", json!(wires.lead(&planned.scenario, Between::ServiceEmail, email.url()).await?)),
            ("alert_url", json!(email.alert_url())),
            ("webhook_secret", json!(secret)),
            ("seed", json!(site.seed)),
            ("overdraft", json!(site.overdraft.display().to_string())),
            ("dir", json!(site.target_folder.display().to_string())),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let mut launcher = Launcher {
            service: target.service.clone(),
            values,
            defect: site.defect.map(str::to_owned),
            logs: site.logs.to_owned(),
            keeper: site.keeper.clone(),
            http: reqwest::Client::new(),
        };
        world::execute(database_url, &target.database.sql).await?;
        launcher.prepare().await?;
        launcher.values.insert("database_url".to_owned(), json!(url_of_instances));
        let http = launcher.http.clone();
        let fleet = Fleet::start(launcher).await?;
        let base_urls = fleet.base_urls().await;
        for url in &base_urls {
            let possible = race::possible(target.service.races, url).await;
            possible.map_err(|problem| ProvisionError::Races { url: url.clone(), problem })?;
        }
        world::create(target, database_url, &base_urls[0], &http, &mut planned.world).await?;
        let mut led = Vec::new();
        for url in base_urls {
            led.push(wires.lead(&planned.scenario, Between::ClientsService, url).await?);
        }
        Ok(Started { stripe, email, fleet, base_urls: led, wires })
    }

    /// Stops the instances in order and drops the database.
    ///
    /// # Errors
    /// Fails if the database cannot be dropped.
    pub async fn remove(self) -> Result<(), PostgresError> {
        self.fleet.stop().await;
        match self.database {
            Some(database) => database.remove().await,
            None => Ok(()),
        }
    }
}

/// What works in a database.
struct Started {
    stripe: StripeSim,
    email: EmailSim,
    fleet: Fleet,
    base_urls: Vec<String>,
    wires: Wires,
}

/// The webhook secret of a run: drawn from the seed, so that a target which already runs can be given it too.
#[must_use]
pub fn secret(seed: u64) -> String {
    format!("whsec_overdraft_{seed:016x}")
}
