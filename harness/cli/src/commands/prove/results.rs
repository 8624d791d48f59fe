//! The results file, which is only ever appended to, and the matrix beside it.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use overdraft_reports::proof::{self, Matrix, ProofRun, Subject};

use crate::exit::Failure;

/// What a run takes that was never made: a case with its PostgreSQL.
const GUESS: Duration = Duration::from_secs(15);

/// The results so far.
pub(super) struct Results {
    folder: PathBuf,
    file: File,
    all: Vec<ProofRun>,
    places: HashMap<Subject, usize>,
}

impl Results {
    /// Opens a folder's results, which are ours alone until they are dropped: two proofs would remove each other's runs.
    /// A last line that was cut off by a crash is not a result.
    pub(super) fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("results.jsonl");
        let troubled = |error: std::io::Error| Failure::harness(format!("{}: {error}", path.display()));
        fs::create_dir_all(folder).map_err(troubled)?;
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path).map_err(troubled)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let folder = folder.display();
                return Err(Failure::usage(format!("another proof is writing into {folder}: give another --out")));
            }
            Err(TryLockError::Error(error)) => return Err(troubled(error)),
        }
        // Bytes: a line may have been cut off in the middle of a letter.
        let mut before = Vec::new();
        file.read_to_end(&mut before).map_err(troubled)?;
        if !before.is_empty() && !before.ends_with(b"\n") {
            file.write_all(b"\n").map_err(troubled)?;
        }
        let mut results = Self { folder: folder.to_owned(), file, all: Vec::new(), places: HashMap::new() };
        let lines = before.split(|byte| *byte == b'\n');
        for run in lines.filter_map(|line| serde_json::from_slice(line).ok()) {
            results.keep(run);
        }
        Ok(results)
    }

    /// A later line of the same subject was made because the earlier one came to no verdict: it takes its place.
    fn keep(&mut self, run: ProofRun) {
        match self.places.get(&run.subject).and_then(|place| self.all.get_mut(*place)) {
            Some(earlier) => *earlier = run,
            None => {
                self.places.insert(run.subject.clone(), self.all.len());
                self.all.push(run);
            }
        }
    }

    /// Writes a result down.
    pub(super) fn add(&mut self, run: ProofRun) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(&run).map_err(Failure::harness)?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|error| Failure::harness(format!("results.jsonl: {error}")))?;
        self.keep(run);
        Ok(())
    }

    /// What came of a run, if it was made.
    pub(super) fn of(&self, subject: &Subject) -> Option<&ProofRun> {
        self.places.get(subject).and_then(|place| self.all.get(*place))
    }

    /// Every result, in the order in which they came.
    pub(super) fn all(&self) -> &[ProofRun] {
        &self.all
    }

    /// How long a run of a scenario took at most, as far as is known.
    pub(super) fn usual(&self, scenario: &str) -> Duration {
        let took = self.all.iter().filter(|run| run.subject.scenario == scenario).map(|run| run.took_s);
        took.reduce(f64::max).map_or(GUESS, |took| Duration::try_from_secs_f64(took).unwrap_or(GUESS))
    }

    /// Writes the matrix in every format.
    pub(super) fn write(&self, matrix: &Matrix) -> Result<(), Failure> {
        let files = [
            ("matrix.json", proof::json(matrix)),
            ("matrix.md", proof::markdown(matrix)),
            ("matrix.html", proof::html(matrix)),
        ];
        for (name, text) in files {
            let path = self.folder.join(name);
            fs::write(&path, text).map_err(|error| Failure::harness(format!("{}: {error}", path.display())))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64, took_s: f64) -> ProofRun {
        let subject = Subject { version: "v".into(), defect: None, scenario: "CF-01".into(), seed };
        ProofRun::failed(subject, "it was only tried".into(), took_s)
    }

    #[test]
    fn what_was_written_is_there_again_and_a_torn_line_is_not_a_result() {
        let folder = std::env::temp_dir().join(format!("overdraft-results-{}", std::process::id()));
        let mut results = Results::open(&folder).unwrap();
        assert_eq!(results.usual("CF-01"), GUESS);
        results.add(run(1, 2.0)).unwrap();
        results.add(run(2, 3.0)).unwrap();
        drop(results);
        let path = folder.join("results.jsonl");
        // Cut off between two letters, and within one.
        let whole = fs::read(&path).unwrap();
        for torn in [&b"{\"version\":\"v\",\"defe"[..], b"{\"problem\":\"\xe2\x9c"] {
            fs::write(&path, [&whole, torn].concat()).unwrap();
            assert_eq!(Results::open(&folder).unwrap().all(), [run(1, 2.0), run(2, 3.0)]);
        }
        let mut results = Results::open(&folder).unwrap();
        assert_eq!(results.usual("CF-01"), Duration::from_secs(3));
        results.add(run(3, 1.0)).unwrap();
        let refused = Results::open(&folder).err().expect("two proofs in one folder");
        assert!(refused.message.contains("another proof is writing into"), "{}", refused.message);
        drop(results);
        let mut results = Results::open(&folder).unwrap();
        assert_eq!(results.all().len(), 3);
        let again = ProofRun { problem: None, ..run(2, 5.0) };
        results.add(again.clone()).unwrap();
        drop(results);
        let results = Results::open(&folder).unwrap();
        assert_eq!(results.all(), [run(1, 2.0), again, run(3, 1.0)], "the later line of a subject counts");
        assert!(results.of(&run(3, 0.0).subject).is_some() && results.of(&run(4, 0.0).subject).is_none());
        fs::remove_dir_all(folder).unwrap();
    }
}
