//! How the requests of a race are let go.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is held back of each request until all are let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// HTTP/1.1: a connection for each, and the last byte of each, written in one tight loop.
    #[default]
    LastByte,
    /// HTTP/2: one connection to an instance, and the frames that complete its requests, in one write.
    SingleWrite,
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::LastByte => "last byte over HTTP/1.1",
            Self::SingleWrite => "single write over HTTP/2",
        })
    }
}
