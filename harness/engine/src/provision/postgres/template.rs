//! A data directory made once by `initdb` and copied for each run: 0.1 s instead of 0.8 s.
//!
//! The template lives in the cache folder under the server's version. It is made in a folder of its own
//! and renamed into place, so that two first runs at once do no harm.

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

use nix::unistd::{Gid, Uid, User, chown};

use super::{PostgresError, binaries::Binaries};

/// Who runs the server: PostgreSQL refuses to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runner {
    /// We are an ordinary user: ourselves.
    Ourselves,
    /// We are root: this user instead.
    Other(Uid, Gid),
}

impl Runner {
    pub(super) fn choose() -> Result<Self, PostgresError> {
        if !Uid::effective().is_root() {
            return Ok(Self::Ourselves);
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .map(|user| Self::Other(user.uid, user.gid))
            .ok_or_else(|| PostgresError::Program {
                program: "postgres".into(),
                output: "it refuses to run as root, and there is neither a user `postgres` nor `nobody`".into(),
            })
    }

    pub(super) fn apply(self, command: &mut Command) {
        if let Self::Other(uid, gid) = self {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
    }

    pub(super) fn own(self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other(uid, gid) => chown(path, Some(uid), Some(gid)).map_err(std::io::Error::from),
        }
    }
}

/// A template and the password of its superuser.
#[derive(Debug)]
pub(super) struct Template {
    data: PathBuf,
    pub(super) password: String,
}

/// Finds or makes the template for a server version.
pub(super) fn prepare(
    cache: &Path,
    scratch: &Path,
    binaries: &Binaries,
    runner: Runner,
) -> Result<Template, PostgresError> {
    let kept = cache.join(format!("postgresql-{}", binaries.version));
    if let Some(template) = open(&kept) {
        return Ok(template);
    }
    let io = |what, path: &Path| {
        let path = path.display().to_string();
        move |problem| PostgresError::Io { what, path, problem }
    };
    fs::create_dir_all(cache).map_err(io("cannot create", cache))?;
    let making = tempfile::Builder::new()
        .prefix("overdraft-template-")
        .tempdir_in(scratch)
        .map_err(io("cannot write in", scratch))?;
    fs::set_permissions(making.path(), fs::Permissions::from_mode(0o711)).map_err(io("cannot open", making.path()))?;
    let (data, password_file) = (making.path().join("data"), making.path().join("password"));
    let password = uuid::Uuid::new_v4().simple().to_string();
    fs::create_dir(&data).map_err(io("cannot create", &data))?;
    fs::write(&password_file, &password).map_err(io("cannot write", &password_file))?;
    fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600))
        .map_err(io("cannot close", &password_file))?;
    for path in [&data, &password_file] {
        runner.own(path).map_err(io("cannot hand over", path))?;
    }
    initdb(binaries, runner, &data, &password_file)?;

    let incoming = cache.join(format!(".incoming-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir_all(&incoming).map_err(io("cannot create", &incoming))?;
    fs::set_permissions(&incoming, fs::Permissions::from_mode(0o700)).map_err(io("cannot close", &incoming))?;
    copy_tree(&data, &incoming.join("data"), Runner::Ourselves).map_err(io("cannot copy to", &incoming))?;
    fs::copy(&password_file, incoming.join("password")).map_err(io("cannot copy to", &incoming))?;
    if fs::rename(&incoming, &kept).is_err() {
        // Somebody else made the same template first: theirs is as good.
        let _ = fs::remove_dir_all(&incoming);
    }
    open(&kept).ok_or_else(|| PostgresError::Io {
        what: "no usable template in",
        path: kept.display().to_string(),
        problem: std::io::Error::from(std::io::ErrorKind::NotFound),
    })
}

fn open(kept: &Path) -> Option<Template> {
    let data = kept.join("data");
    let password = fs::read_to_string(kept.join("password")).ok()?;
    data.join("PG_VERSION").is_file().then_some(Template { data, password })
}

fn initdb(binaries: &Binaries, runner: Runner, data: &Path, password_file: &Path) -> Result<(), PostgresError> {
    let mut command = Command::new(binaries.folder.join("initdb"));
    // The password is ours, random, and never leaves the loopback interface. Sent as it is, a login costs the
    // client nothing; SCRAM would make it hash 4096 times, a tenth of a second each in a debug build.
    command
        .args(["--username", "postgres", "--auth", "password", "--encoding", "UTF8", "--locale", "C"])
        .arg("--no-instructions")
        .arg("--pwfile")
        .arg(password_file)
        .arg("--pgdata")
        .arg(data)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir("/");
    runner.apply(&mut command);
    let failed = |output: String| PostgresError::Program { program: "initdb".into(), output };
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

impl Template {
    /// Copies the template to a new data directory, owned by who will run it.
    pub(super) fn copy_to(&self, data: &Path, runner: Runner) -> Result<(), PostgresError> {
        copy_tree(&self.data, data, runner).map_err(|problem| PostgresError::Io {
            what: "cannot copy the template data directory to",
            path: data.display().to_string(),
            problem,
        })
    }
}

fn copy_tree(from: &Path, to: &Path, runner: Runner) -> std::io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target, runner)?;
        } else {
            fs::copy(entry.path(), &target)?;
            runner.own(&target)?;
        }
    }
    runner.own(to)
}
