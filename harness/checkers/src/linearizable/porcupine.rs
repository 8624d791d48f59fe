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
//! answer is not known may take effect at any later time or never. Lines of other sources are passed over; a line
//! that is of the format and says something else is refused, because half of a history proves nothing.

use std::collections::HashMap;

use super::{
    End, Operations, Timed,
    specifications::{KeyValue, KeyValueCall, Register, RegisterAnswer, RegisterCall},
};

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

impl<O: PartialEq, R> Reading<O, R> {
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

/// Reads Jepsen's log of a register with compare-and-set.
///
/// # Errors
/// Fails on a line of the log that says something else, on answers without a question, and if there is none.
pub fn register(text: &str) -> Result<Operations<Register>, FormatError> {
    let mut reading = Reading::new();
    for line in text.lines() {
        reading.line += 1;
        let mut words = line.split_whitespace();
        if (words.next(), words.next(), words.next()) != (Some("INFO"), Some("jepsen.util"), Some("-")) {
            continue;
        }
        // Jepsen logs other things through the same logger, such as its nemesis.
        let Some(process) = words.next().and_then(|word| word.parse().ok()) else { continue };
        let (Some(kind), Some(f)) = (words.next(), words.next()) else {
            return Err(reading.wrong("a process, :invoke, :ok, :fail or :info, and :read, :write or :cas"));
        };
        let value: Vec<&str> = words.collect();
        let value = value.join(" ");
        register_line(&mut reading, process, kind, f, &value)?;
    }
    reading.end()
}

fn register_line(
    reading: &mut Reading<RegisterCall, RegisterAnswer>,
    process: u64,
    kind: &str,
    f: &str,
    value: &str,
) -> Result<(), FormatError> {
    let number = |text: &str| text.parse::<i64>().map_err(|_| reading.wrong("a whole number"));
    let call = match f {
        ":read" => RegisterCall::Read,
        ":write" if kind == ":invoke" => RegisterCall::Write(number(value)?),
        ":cas" if kind == ":invoke" => {
            let pair = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let pair = pair.and_then(|pair| pair.split_once(' '));
            let (from, to) = pair.ok_or_else(|| reading.wrong("two values in brackets, [from to]"))?;
            RegisterCall::CompareAndSet(number(from)?, number(to)?)
        }
        ":write" => RegisterCall::Write(0),
        ":cas" => RegisterCall::CompareAndSet(0, 0),
        _ => return Err(reading.wrong(":read, :write or :cas")),
    };
    let unclear = value.starts_with(':');
    let fate = match (kind, &call) {
        (":invoke", _) => return reading.invoke(process, call, call == RegisterCall::Read),
        (":info", _) => Fate::Unclear,
        (":ok", RegisterCall::Read) if value == "nil" => Fate::Answered(RegisterAnswer::Value(None)),
        (":ok", RegisterCall::Read) => Fate::Answered(RegisterAnswer::Value(Some(number(value)?))),
        (":ok", _) => Fate::Answered(RegisterAnswer::Done),
        // A failure with a reason instead of the values is no answer of the register: it may have happened.
        (":fail", RegisterCall::Read) => Fate::Never,
        (":fail", _) if unclear => Fate::Unclear,
        (":fail", RegisterCall::CompareAndSet(..)) => Fate::Answered(RegisterAnswer::Differs),
        (":fail", RegisterCall::Write(_)) => Fate::Never,
        _ => return Err(reading.wrong(":invoke, :ok, :fail or :info")),
    };
    let same = |asked: &RegisterCall| std::mem::discriminant(asked) == std::mem::discriminant(&call);
    reading.complete(process, same, fate)
}

/// Reads gets, puts and appends, one map per line.
///
/// # Errors
/// Fails on a map that says something else, on answers without a question, and if there is none.
pub fn key_value(text: &str) -> Result<Operations<KeyValue>, FormatError> {
    let mut reading = Reading::new();
    for line in text.lines() {
        reading.line += 1;
        let line = line.trim();
        if !line.starts_with("{:process") {
            continue;
        }
        let wanted = "{:process N, :type :invoke, :f :get, :key \"…\", :value nil}, and so on";
        let map = map(line).ok_or_else(|| reading.wrong(wanted))?;
        let field = |name: &str| map.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let (Some(process), Some(kind), Some(f), Some(key), Some(value)) =
            (field("process"), field("type"), field("f"), field("key"), field("value"))
        else {
            return Err(reading.wrong(wanted));
        };
        let process = process.parse().map_err(|_| reading.wrong("a process number"))?;
        let call = match f {
            ":get" => KeyValueCall::Get(key.to_owned()),
            ":put" => KeyValueCall::Put(key.to_owned(), value.to_owned()),
            ":append" => KeyValueCall::Append(key.to_owned(), value.to_owned()),
            _ => return Err(reading.wrong(":get, :put or :append")),
        };
        let reads = matches!(call, KeyValueCall::Get(_));
        let fate = match kind {
            ":invoke" => {
                reading.invoke(process, call, reads)?;
                continue;
            }
            ":ok" if reads => Fate::Answered(value.to_owned()),
            ":ok" => Fate::Answered(String::new()),
            ":fail" => Fate::Never,
            ":info" => Fate::Unclear,
            _ => return Err(reading.wrong(":invoke, :ok, :fail or :info")),
        };
        let same = |asked: &KeyValueCall| {
            std::mem::discriminant(asked) == std::mem::discriminant(&call) && asked.key() == call.key()
        };
        reading.complete(process, same, fate)?;
    }
    reading.end()
}

/// The fields of one flat map: `:name value` pairs, where a value is a word or a quoted text.
fn map(line: &str) -> Option<Vec<(String, String)>> {
    let mut rest = line.strip_prefix('{')?.strip_suffix('}')?.trim_start();
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let (name, behind) = rest.strip_prefix(':')?.split_once(char::is_whitespace)?;
        let behind = behind.trim_start();
        let (value, behind) = match behind.strip_prefix('"') {
            Some(quoted) => text(quoted)?,
            None => {
                let end = behind.find([',', ' ']).unwrap_or(behind.len());
                (behind[..end].to_owned(), &behind[end..])
            }
        };
        fields.push((name.to_owned(), value));
        rest = behind.trim_start_matches([',', ' ']);
    }
    Some(fields)
}

/// A quoted text up to its closing quote, and what follows.
fn text(quoted: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &quoted[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

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
