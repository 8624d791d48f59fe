//! One instance of the reference service in this process, and the email provider that its worker sends to.

use std::{error::Error, io, net::TcpListener as StdListener, time::Duration};

use overdraft_reference::{ServeOptions, Settings, serve};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{CONNECTIONS, wire};

/// An email that was accepted.
const ACCEPTED: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{\"id\":\"e-1\"}";

/// What the service's worker does meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jobs {
    /// It looks for jobs once an hour.
    AtRest,
    /// It sends the confirmations of what was bought.
    AtWork,
}

impl Jobs {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::AtRest => "at rest",
            Self::AtWork => "at work",
        }
    }
}

/// A running instance.
pub(crate) struct Service {
    pub(crate) address: String,
    pub(crate) jobs: Jobs,
    stop: CancellationToken,
    serving: JoinHandle<Result<(), overdraft_reference::Error>>,
    mail: JoinHandle<()>,
}

impl Service {
    pub(crate) async fn start(database_url: &str, jobs: Jobs) -> Result<Self, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mail_url = format!("http://{}", listener.local_addr()?);
        let mail = tokio::spawn(accept_mail(listener));
        let address = StdListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let settings = settings(database_url, &address, &mail_url, jobs)?;
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(settings, ServeOptions::default(), stop.clone().cancelled_owned()));
        let service = Self { address, jobs, stop, serving, mail };
        for _ in 0..400 {
            if service.ready().await.unwrap_or(false) {
                return Ok(service);
            }
            if service.serving.is_finished() {
                service.serving.await??;
                return Err("the service ended by itself".into());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Err("the service did not become ready within 10 s".into())
    }

    async fn ready(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(b"GET /health/ready HTTP/1.1\r\nHost: bench\r\n\r\n").await?;
        let mut answer = Vec::new();
        Ok(wire::read(&mut stream, &mut answer).await? && wire::status(&answer) == Some(200))
    }

    /// Lets it finish what is in flight.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        // It has done its work; how it ends changes no figure.
        let _ = self.serving.await;
        self.mail.abort();
    }
}

/// Accepts every email.
async fn accept_mail(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut letter = Vec::new();
            while wire::read(&mut stream, &mut letter).await.unwrap_or(false) {
                if stream.write_all(ACCEPTED).await.is_err() {
                    break;
                }
            }
        });
    }
}

fn settings(database_url: &str, address: &str, mail_url: &str, jobs: Jobs) -> Result<Settings, Box<dyn Error>> {
    let value = |name: &str| {
        Some(match name {
            "DATABASE_URL" => database_url.to_owned(),
            "LISTEN" => address.to_owned(),
            "DB_POOL" => CONNECTIONS.to_string(),
            "STRIPE_API_BASE" | "EMAIL_API_BASE" => mail_url.to_owned(),
            "STRIPE_API_KEY" | "EMAIL_API_KEY" | "STRIPE_WEBHOOK_SECRET" => "bench".to_owned(),
            "KEY_SECRET" => "a secret of the bench".to_owned(),
            "SHUTDOWN_GRACE_MS" => "500".to_owned(),
            // No limit, and no round trip to ask for one.
            "RATE_LIMIT_PURCHASES" => "0".to_owned(),
            "JOB_POLL_MS" if jobs == Jobs::AtRest => "3600000".to_owned(),
            _ => return None,
        })
    };
    Ok(Settings::from_env(value)?)
}
