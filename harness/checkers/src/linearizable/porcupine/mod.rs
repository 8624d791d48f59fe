//! Histories in the two text formats of Porcupine's test data, so that its users can hold the two checkers together.
//!
//! [`register`] reads Jepsen's log of a register with compare-and-set, as its etcd tests print it:
//!
//! ```text
//! INFO  jepsen.util - 0 :invoke :write 3
//! INFO  jepsen.util - 0 :ok :write 3
//! INFO  jepsen.util - 1 :invoke :cas [3 4]
//! INFO  jepsen.util - 1 :info :cas :timed-out
//! ```
//!
//! [`key_value`] reads one map per line, as Jepsen's own histories are written:
//!
//! ```text
//! {:process 0, :type :invoke, :f :append, :key "a", :value "x 0 0 y"}
//! {:process 0, :type :ok, :f :append, :key "a", :value "x 0 0 y"}
//! {:process 1, :type :invoke, :f :get, :key "a", :value nil}
//! ```
//!
//! The line is the clock. A read that failed or timed out says nothing and is left out; any other operation whose
//! answer is not known may take effect at any later time or never. An answer must repeat what was asked, or hold
//! nothing (`nil`), unless it failed or is not known and says why instead. Lines of other sources, and processes that
//! are no clients (`:nemesis`), are passed over; a line that is of the format and says something else is refused,
//! because half of a history proves nothing.

mod key_value;
mod map;
mod register;

use std::collections::HashMap;

pub use key_value::key_value;
pub use register::register;

use super::{End, Timed};

/// Why a text is not a history in the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A line of the format that cannot be read.
    #[error("line {line} cannot be read: {wanted}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What was expected.
        wanted: &'static str,
    },
    /// An answer that nobody waits for.
    #[error("line {line}: process {process} has asked nothing that this could answer")]
    NotAsked {
        /// Counted from 1.
        line: usize,
        /// Who was answered.
        process: u64,
    },
    /// A question while another is open.
    #[error("line {line}: process {process} asks again before it was answered")]
    Busy {
        /// Counted from 1.
        line: usize,
        /// Who asked.
        process: u64,
    },
    /// Nothing of the format in it.
    #[error("no line of the format was found")]
    Empty,
}

/// Operations as they are read, line by line.
struct Reading<O, R> {
    operations: Vec<Timed<O, R>>,
    /// Which operations only read: without an answer they say nothing.
    reads: Vec<bool>,
    pending: HashMap<u64, usize>,
    line: usize,
}

/// What became of an operation.
enum Fate<R> {
    Answered(R),
    /// It did not take effect, and its answer says nothing of the state.
    Never,
    Unclear,
}

impl<O, R> Reading<O, R> {
    fn new() -> Self {
        Self { operations: Vec::new(), reads: Vec::new(), pending: HashMap::new(), line: 0 }
    }

    fn wrong(&self, wanted: &'static str) -> FormatError {
        FormatError::Line { line: self.line, wanted }
    }

    fn invoke(&mut self, process: u64, operation: O, reads: bool) -> Result<(), FormatError> {
        if self.pending.insert(process, self.operations.len()).is_some() {
            return Err(FormatError::Busy { line: self.line, process });
        }
        self.operations.push(Timed::unanswered(operation, self.line as u64));
        self.reads.push(reads);
        Ok(())
    }

    fn complete(&mut self, process: u64, fits: impl Fn(&O) -> bool, fate: Fate<R>) -> Result<(), FormatError> {
        let asked = self.pending.remove(&process).filter(|at| fits(&self.operations[*at].operation));
        let at = asked.ok_or(FormatError::NotAsked { line: self.line, process })?;
        match fate {
            Fate::Answered(output) => {
                self.operations[at].output = Some(output);
                self.operations[at].end = End::At(self.line as u64);
            }
            // What did not happen is asked for as if it were a read.
            Fate::Never => self.reads[at] = true,
            Fate::Unclear => {}
        }
        Ok(())
    }

    fn end(self) -> Result<Vec<Timed<O, R>>, FormatError> {
        if self.operations.is_empty() {
            return Err(FormatError::Empty);
        }
        let pairs = self.operations.into_iter().zip(self.reads);
        Ok(pairs
            .filter(|(operation, read)| !read || operation.output.is_some())
            .map(|(operation, _)| operation)
            .collect())
    }
}

/// The lines of a text. Some editors write a mark before the first, which is not of it.
fn lines(text: &str) -> std::str::Lines<'_> {
    text.strip_prefix('\u{feff}').unwrap_or(text).lines()
}

/// What an operation became, as both formats spell it.
fn is_type(word: &str) -> bool {
    [":invoke", ":ok", ":fail", ":info"].contains(&word)
}

/// Whether an answer holds no value: nothing, or, where it is no ok, a reason.
fn says_nothing(kind: &str, value: &str) -> bool {
    match kind {
        ":ok" => value == "nil",
        ":fail" | ":info" => value == "nil" || value.starts_with(':'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linearizable::specifications::{KeyValueCall, RegisterAnswer, RegisterCall};

    #[test]
    fn what_is_unclear_stays_open_and_reads_without_an_answer_are_left_out() {
        let log = "INFO  jepsen.core - hello\n\
                   INFO  jepsen.util - 0\t:invoke\t:write\t3\n\
                   INFO  jepsen.util - 1\t:invoke\t:read\tnil\n\
                   INFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
                   INFO  jepsen.util - 2\t:invoke\t:cas\t[3 4]\n\
                   INFO  jepsen.util - 0\t:info\t:write\t:timed-out\n\
                   INFO  jepsen.util - 1\t:fail\t:read\t:timed-out\n\
                   INFO  jepsen.util - 2\t:fail\t:cas\t[3 4]\n\
                   INFO  jepsen.util - 3\t:invoke\t:read\tnil\n\
                   INFO  jepsen.util - 3\t:ok\t:read\tnil\n";
        let read = register(log).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!((read[0].end, read[0].output), (End::Maybe, None));
        assert_eq!((read[1].end, read[1].output), (End::At(8), Some(RegisterAnswer::Differs)));
        assert_eq!(read[2], Timed::answered(RegisterCall::Read, RegisterAnswer::Value(None), 9, 10));
    }

    #[test]
    fn texts_may_hold_quotes_and_commas() {
        let log = r#"{:process 0, :type :invoke, :f :append, :key "a, b", :value "x \"0\", 1 y"}"#;
        let read = key_value(log).unwrap();
        assert_eq!(read[0].operation, KeyValueCall::Append("a, b".into(), "x \"0\", 1 y".into()));
    }

    #[test]
    fn what_is_of_the_format_and_cannot_be_read_is_refused_by_line() {
        let stray = "INFO  jepsen.util - 4\t:ok\t:write\t3\n";
        assert_eq!(register(stray), Err(FormatError::NotAsked { line: 1, process: 4 }));
        let twice = "INFO jepsen.util - 4 :invoke :write 3\nINFO jepsen.util - 4 :invoke :read nil\n";
        assert_eq!(register(twice), Err(FormatError::Busy { line: 2, process: 4 }));
        assert!(matches!(register("INFO jepsen.util - 4 :invoke :write x"), Err(FormatError::Line { line: 1, .. })));
        assert!(matches!(register("INFO jepsen.util - 4 :invoke :pop nil"), Err(FormatError::Line { line: 1, .. })));
        assert_eq!(register("hello"), Err(FormatError::Empty));
        assert_eq!(key_value(""), Err(FormatError::Empty));
        assert!(matches!(key_value("{:process 0, :type :invoke"), Err(FormatError::Line { line: 1, .. })));
        let other = "{:process 0, :type :ok, :f :put, :key \"a\", :value \"1\"}";
        assert_eq!(key_value(other), Err(FormatError::NotAsked { line: 1, process: 0 }));
    }
}
