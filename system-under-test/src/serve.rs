//! One instance: HTTP and worker in one process, started together and stopped together.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::database::{limits_pool, queue_pool, service_pool, worker_pool};
use crate::defects::{self, Defect};
use crate::error::Error;
use crate::http::{App, Limits, router};
use crate::jobs::{self, Work, due, expiry};
use crate::keys::Keys;
use crate::office::Passwords;
use crate::settings::Settings;
use crate::stripe::Checkout;

/// What an instance is besides its settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServeOptions {
    /// The planted defect, if there is one.
    pub defect: Option<Defect>,
    /// Lets `PUT /test-clock` move the instance's clock. Never in production: it is open to everybody.
    pub test_clock: bool,
}

/// Runs an instance until `shutdown` completes, then stops accepting, finishes requests and jobs in
/// flight, and returns, within `SHUTDOWN_GRACE_MS`.
///
/// The database must be migrated. Logs go through `tracing`; the caller installs the subscriber.
///
/// # Errors
/// If the database cannot be reached at the start, or the address cannot be listened on.
pub async fn serve(
    settings: Settings,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let ServeOptions { defect, test_clock } = options;
    let address = settings.listen;
    let clock = Clock::default();
    let grace = settings.shutdown_grace;
    let pool = service_pool(&settings).await?;
    let queue = queue_pool(&settings).await?;
    let client = reqwest::Client::builder().timeout(settings.provider_timeout).build()?;
    let mailer = defects::mailer(defect, client.clone(), settings.clone());
    let work = Work::new(worker_pool(&settings)?, settings.clone(), client.clone(), mailer, clock.clone());
    let limits = Limits::new(limits_pool(&settings)?);
    let app = Arc::new(App {
        pool,
        purchasing: defects::purchasing(defect),
        intake: defects::intake(defect),
        limits: defects::counting(defect, limits),
        checkout: Checkout::new(client, settings.clone()),
        keys: Keys::new(settings.key_secret.clone()),
        settings,
        passwords: Passwords::default(),
        clock,
        test_clock,
        defect,
    });
    let listener = TcpListener::bind(address).await.map_err(|source| Error::Listen { address, source })?;
    if test_clock {
        tracing::warn!("the clock may be moved by anybody: this instance is for tests");
    }
    tracing::info!(%address, defect = defect.map(Defect::name), "serving");

    let stop = CancellationToken::new();
    let expiry = tokio::spawn(expiry::run(work.clone(), stop.clone()));
    let due = tokio::spawn(due::run(work.clone(), stop.clone()));
    let worker = tokio::spawn(jobs::run(queue.clone(), work, stop.clone()));
    let service = defects::around(defect, router(app)?).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let mut server = tokio::spawn(server.into_future());

    let served = tokio::select! {
        () = shutdown => Ok(()),
        ended = &mut server => ended.unwrap_or(Ok(())).map_err(Error::Http),
    };
    stop.cancel();
    let drained = tokio::time::timeout(grace, async {
        if !server.is_finished() {
            // A panic or an I/O error of the listener matters no more: it has stopped.
            drop((&mut server).await);
        }
        drop(worker.await);
        drop(expiry.await);
        drop(due.await);
    })
    .await;
    if drained.is_err() {
        tracing::warn!("requests or jobs were still in flight at the end of the grace period");
        server.abort();
    }
    served
}
