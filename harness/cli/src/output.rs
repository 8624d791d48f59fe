//! Standard output and error: the one place that prints. A closed pipe, as `| head` leaves, is not an error.

use std::io::{IsTerminal, Write};

/// Prints a text to standard output.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Prints one line to standard error.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Prints why the program ends early.
pub(crate) fn complain(message: &str) {
    note(&format!("overdraft: {message}"));
}

/// Whether a person reads along, and colours are welcome.
pub(crate) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
