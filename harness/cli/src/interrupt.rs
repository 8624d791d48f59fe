//! Ctrl-C, SIGTERM and SIGHUP: the first asks the run to heal, stop its children and save; the second is final.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::{exit::Exit, output};

/// A token that is cancelled by the first signal. To be called before goose starts, whose own handler is
/// then not installed.
pub(crate) fn token() -> CancellationToken {
    let token = CancellationToken::new();
    let (told, again) = (token.clone(), AtomicBool::new(false));
    let handler = move || {
        if again.swap(true, Ordering::SeqCst) {
            std::process::exit(Exit::Interrupted.code().into());
        }
        output::note("interrupted: healing, stopping what was started, saving; once more to stop at once");
        told.cancel();
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        output::note(&format!("Ctrl-C will not be graceful: {error}"));
    }
    token
}
