//! Reading and writing what a run folder holds: JSON lines, JSON, and TOML with errors that name the place.

use std::io::{BufRead, Write};

use serde::{Serialize, de::DeserializeOwned};

use crate::history::Event;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A line is neither an event nor the cut-off end of a crashed run.
    #[error("line {line} is not an event: {problem}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What the parser expected.
        problem: serde_json::Error,
    },
    /// The bytes could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The TOML does not say what it should.
    #[error("line {line}, column {column}: {message}")]
    Toml {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What was expected.
        message: String,
    },
}

/// Events as they were saved, and whether the last line was cut off by a crash.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// Every whole event.
    pub events: Vec<Event>,
    /// Whether an unfinished last line was left out.
    pub cut_off: bool,
}

/// Writes one event as one line.
///
/// # Errors
/// Fails when the writer does.
pub fn write_event(writer: &mut impl Write, event: &Event) -> Result<(), CodecError> {
    serde_json::to_writer(&mut *writer, event).map_err(std::io::Error::from)?;
    writer.write_all(b"\n")?;
    Ok(())
}

/// Reads a history. A last line without its newline is what a killed writer leaves; it is left out and said.
///
/// # Errors
/// Fails on unreadable bytes and on any other line that is not an event.
pub fn read_events(mut reader: impl BufRead) -> Result<Saved, CodecError> {
    let mut saved = Saved { events: Vec::new(), cut_off: false };
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        if reader.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        match serde_json::from_slice(&text) {
            Ok(event) => saved.events.push(event),
            Err(_) if text.last() != Some(&b'\n') => saved.cut_off = true,
            Err(problem) => return Err(CodecError::Line { line, problem }),
        }
    }
    Ok(saved)
}

/// Reads TOML, and names line and column where it does not fit.
///
/// # Errors
/// Fails on text that is not TOML or not of the expected shape.
pub fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, CodecError> {
    toml::from_str(text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        CodecError::Toml { line, column, message: error.message().trim().replace('\n', ", ") }
    })
}

/// Writes TOML that [`read_toml`] reads back.
///
/// # Errors
/// Fails on what TOML cannot hold, such as null.
pub fn write_toml<T: Serialize>(value: &T) -> Result<String, toml::ser::Error> {
    toml::to_string(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{history::Body, scenario::Scenario};

    #[test]
    fn a_cut_off_last_line_is_left_out_and_said() {
        let mut bytes = Vec::new();
        for index in 0..2 {
            let body = Body::Scenario { name: format!("s{index}") };
            write_event(&mut bytes, &Event { index, time: 0, body }).unwrap();
        }
        let whole = read_events(bytes.as_slice()).unwrap();
        assert_eq!((whole.events.len(), whole.cut_off), (2, false));
        let cut = read_events(&bytes[..bytes.len() - 5]).unwrap();
        assert_eq!((cut.events.len(), cut.cut_off), (1, true));
    }

    #[test]
    fn a_broken_line_in_the_middle_is_refused_by_number() {
        let error = read_events(&b"{\"index\":0,\"time\":0,\"type\":\"scenario\",\"name\":\"s\"}\nrubbish\n"[..]);
        assert!(matches!(error, Err(CodecError::Line { line: 2, .. })), "{error:?}");
    }

    #[test]
    fn toml_errors_name_line_and_column() {
        let error = read_toml::<Scenario>("id = \"x\"\ntitle = 5\n").unwrap_err();
        assert!(error.to_string().starts_with("line 2, column 9: "), "{error}");
    }
}
