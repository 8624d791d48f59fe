//! One file per subcommand; `session` is the run itself, shared by `run` and `replay`; `children` makes runs in
//! processes of their own, for `prove` and `shrink`.

pub(crate) mod audit;
pub(crate) mod check;
mod children;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod list;
mod porcupine;
pub(crate) mod prove;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod serve;
mod session;
pub(crate) mod shrink;
pub(crate) mod staff;
pub(crate) mod tenancy;
