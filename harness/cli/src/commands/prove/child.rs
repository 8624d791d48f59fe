//! One run of the proof: what came of a subject.

use std::{
    ffi::OsString,
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use overdraft_model::verdict::Validity;
use overdraft_reports::proof::{ProofRun, Subject};
use tokio_util::sync::CancellationToken;

use crate::{
    args::ProveOptions,
    commands::children::{Children, Ended, LONGEST, forget},
    exit::Failure,
};

/// Makes the runs.
pub(super) struct Prover {
    children: Children,
    folder: PathBuf,
}

impl Prover {
    pub(super) fn new(options: &ProveOptions, stop: CancellationToken) -> Result<Self, Failure> {
        let folder = options.out.join("runs");
        fs::create_dir_all(&folder).map_err(|error| Failure::harness(format!("{}: {error}", folder.display())))?;
        Ok(Self { children: Children::new(options.server.arguments(), stop)?, folder })
    }

    /// Makes one run of a subject, whose defect the check `stated` must find. None if it was cut short, by us or by the
    /// time that is left: then nothing is known.
    pub(super) fn run(
        &self,
        subject: &Subject,
        stated: Option<&str>,
        left: Option<Duration>,
    ) -> Result<Option<ProofRun>, Failure> {
        let defect = subject.defect.as_deref();
        let folder = self.folder.join(format!("{}-{}-{}", defect.unwrap_or("correct"), subject.scenario, subject.seed));
        let mut arguments = vec![subject.scenario.clone(), "--seed".to_owned(), subject.seed.to_string()];
        if let Some(defect) = defect {
            arguments.extend(["--defect".to_owned(), defect.to_owned()]);
        }
        let arguments: Vec<OsString> = arguments.into_iter().map(OsString::from).collect();
        let began = Instant::now();
        let ended = self.children.run(&arguments, &folder, left.map_or(LONGEST, |left| left.min(LONGEST)))?;
        let took_s = began.elapsed().as_secs_f64();
        let run = match ended {
            Ended::Judged(verdict) => Some(ProofRun::of(subject.clone(), &verdict, took_s)),
            Ended::Failed(words) => Some(ProofRun::failed(subject.clone(), words, took_s)),
            Ended::CutShort if self.children.stop.is_cancelled() || left.is_some_and(|left| left <= LONGEST) => None,
            Ended::CutShort => {
                Some(ProofRun::failed(subject.clone(), format!("no end within {} s", LONGEST.as_secs()), took_s))
            }
        };
        let dull = run.as_ref().is_none_or(|run| {
            let as_expected = match stated {
                Some(stated) => run.catches(stated).next().is_some(),
                None => run.invalid.is_empty(),
            };
            run.problem.is_none() && run.validity != Validity::Unknown && as_expected
        });
        if dull {
            forget(&folder);
        }
        Ok(run)
    }
}
