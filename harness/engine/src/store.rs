//! The run folder: what is saved, when, and how it is read back.
//!
//! Saved early and in phases: the manifest before the first request, the history as it happens, the
//! evidence after each scenario. A file is replaced whole or not at all.

use std::{
    fs::{self, File},
    io::{BufReader, Write},
    path::{Path, PathBuf},
};

use overdraft_model::{
    codec::{self, CodecError},
    evidence::RunEvidence,
    history::{History, HistoryError},
    manifest::{FORMAT, Manifest},
};
use serde::{Serialize, de::DeserializeOwned};

/// Why a run folder cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system said no.
    #[error("{what} {path}: {problem}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: String,
        /// What the system said.
        problem: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{path}: {problem}")]
    Content {
        /// Which file.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A folder of another version.
    #[error("{path} was written in format {found}, this program reads {FORMAT}: use the version that made it")]
    Format {
        /// Which file.
        path: String,
        /// Its format.
        found: u32,
    },
}

/// A run folder.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A run as it was read back.
#[derive(Debug)]
pub struct Record {
    /// What was planned.
    pub manifest: Manifest,
    /// What was done, one per scenario that began.
    pub histories: Vec<History>,
    /// What was found afterwards.
    pub evidence: RunEvidence,
    /// Whether the history's last line was cut off by a crash.
    pub cut_off: bool,
}

impl Store {
    /// Makes the folder of a new run, and its `logs` folder.
    ///
    /// # Errors
    /// Fails if it exists already or cannot be made.
    pub fn create(folder: PathBuf) -> Result<Self, StoreError> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).map_err(io("cannot create", parent))?;
        }
        fs::create_dir(&folder).map_err(io("cannot create", &folder))?;
        let store = Self { folder };
        fs::create_dir(store.logs()).map_err(io("cannot create", &store.logs()))?;
        Ok(store)
    }

    /// An existing run's folder.
    #[must_use]
    pub const fn open(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder for logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// The history's path.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.folder.join("history.jsonl")
    }

    /// Points `latest`, beside this folder, to it. A file system without links goes without.
    pub fn mark_latest(&self) {
        let (Some(parent), Some(name)) = (self.folder.parent(), self.folder.file_name()) else { return };
        let (latest, new) = (parent.join("latest"), parent.join(format!(".latest-{}", std::process::id())));
        if std::os::unix::fs::symlink(name, &new).is_ok() && fs::rename(&new, &latest).is_err() {
            let _ = fs::remove_file(&new);
        }
    }

    /// Saves the manifest.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn save_manifest(&self, manifest: &Manifest) -> Result<(), StoreError> {
        self.save_json("manifest.json", manifest)
    }

    /// Saves the evidence collected so far.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn save_evidence(&self, evidence: &RunEvidence) -> Result<(), StoreError> {
        self.save_json("evidence.json", evidence)
    }

    fn save_json(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let mut bytes = serde_json::to_vec_pretty(value)
            .map_err(|error| StoreError::Content { path: name.into(), problem: error.to_string() })?;
        bytes.push(b'\n');
        self.save(name, &bytes)
    }

    /// Saves a file whole: written beside, synced, renamed into place.
    ///
    /// # Errors
    /// Fails if it cannot be written; an older version stays then.
    pub fn save(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let (path, part) = (self.folder.join(name), self.folder.join(format!(".{name}.part")));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write().map_err(|problem| {
            let _ = fs::remove_file(&part);
            io("cannot write", &path)(problem)
        })
    }

    /// Reads a run back. Missing evidence is what a crash leaves, and is empty.
    ///
    /// # Errors
    /// Fails if the manifest or history is missing or broken.
    pub fn load(&self) -> Result<Record, StoreError> {
        let manifest: Manifest = self.load_json("manifest.json")?;
        if manifest.format != FORMAT {
            let path = self.folder.join("manifest.json").display().to_string();
            return Err(StoreError::Format { path, found: manifest.format });
        }
        let path = self.history();
        let content = |problem: String| StoreError::Content { path: path.display().to_string(), problem };
        let file = File::open(&path).map_err(io("cannot read", &path))?;
        let saved = codec::read_events(BufReader::new(file)).map_err(|error: CodecError| content(error.to_string()))?;
        let histories = History::from_events(saved.events).map_err(|error: HistoryError| content(error.to_string()))?;
        let evidence = match self.folder.join("evidence.json").exists() {
            true => self.load_json("evidence.json")?,
            false => RunEvidence::default(),
        };
        Ok(Record { manifest, histories, evidence, cut_off: saved.cut_off })
    }

    /// Reads one JSON file of the folder.
    ///
    /// # Errors
    /// Fails if it is missing or not of the shape.
    pub fn load_json<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        let path = self.folder.join(name);
        let bytes = fs::read(&path).map_err(io("cannot read", &path))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Content { path: path.display().to_string(), problem: error.to_string() })
    }
}

fn io(what: &'static str, path: &Path) -> impl Fn(std::io::Error) -> StoreError + use<> {
    let path = path.display().to_string();
    move |problem| StoreError::Io { what, path: path.clone(), problem }
}
