//! `overdraft serve` and `overdraft migrate`: the bundled reference service, as one of its instances would be started.

use overdraft_reference::{self as reference, Defect, Settings};
use tokio_util::sync::CancellationToken;

use crate::{
    args::{MigrateOptions, ServeOptions, SettingsOptions},
    exit::{Exit, Failure},
    nearest, output,
};

pub(crate) fn serve(options: &ServeOptions) -> Result<Exit, Failure> {
    if options.print_settings {
        output::say(&Settings::documentation());
        return Ok(Exit::Valid);
    }
    let defect = defect(options.defect.as_ref())?;
    let settings = settings(&options.settings)?;
    let serving = reference::ServeOptions { defect, test_clock: options.test_clock };
    json_logs();
    let stop = CancellationToken::new();
    let told = stop.clone();
    ctrlc::set_handler(move || told.cancel()).map_err(Failure::harness)?;
    runtime()?.block_on(reference::serve(settings, serving, stop.cancelled_owned())).map_err(Failure::harness)?;
    Ok(Exit::Valid)
}

pub(crate) fn migrate(options: &MigrateOptions) -> Result<Exit, Failure> {
    let defect = defect(options.defect.as_ref())?;
    let settings = settings(&options.settings)?;
    json_logs();
    runtime()?.block_on(reference::migrate(settings.database_url.expose(), defect)).map_err(Failure::harness)?;
    output::note("the database is ready");
    Ok(Exit::Valid)
}

fn defect(name: Option<&String>) -> Result<Option<Defect>, Failure> {
    let names: Vec<&str> = Defect::all().map(Defect::name).collect();
    let parse = |name: &String| name.parse().map_err(|_| Failure::usage(nearest::suggest("defect", name, &names)));
    name.map(parse).transpose()
}

fn settings(options: &SettingsOptions) -> Result<Settings, Failure> {
    Settings::load(options.settings.as_deref(), |name| std::env::var(name).ok())
        .map_err(|error| Failure::usage(error.to_string()))
}

fn json_logs() {
    let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| "info,sqlx=warn".into());
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    let _ = tracing_subscriber::fmt().json().with_env_filter(filter).try_init();
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::harness)
}
