//! Faults of a TCP connection, with the names and units of Toxiproxy's toxics.

use serde::{Deserialize, Serialize};

/// A toxic and the part of the traffic that it spoils.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toxic {
    /// What it does.
    pub action: ToxicAction,
    /// The direction it works on. A connection that it ends, ends in both.
    #[serde(default)]
    pub stream: Stream,
    /// Share of connections that it hits, drawn per connection from the seed.
    #[serde(default = "all")]
    pub toxicity: f64,
    /// What passes before it begins; none means nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<After>,
    /// At most so many connections are hit; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Toxic {
    /// A toxic for all connections, from the beginning.
    #[must_use]
    pub const fn new(stream: Stream, action: ToxicAction) -> Self {
        Self { action, stream, toxicity: 1.0, after: None, times: None }
    }
}

/// A direction, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stream {
    /// From the client to the server.
    Upstream,
    /// From the server to the client.
    #[default]
    Downstream,
}

/// The connections that a proxy may stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// From the clients to each instance of the service.
    ClientsService,
    /// From the service to the payment provider.
    ServiceStripe,
    /// From the service to the email provider.
    ServiceEmail,
    /// From the service to its database.
    ServiceDatabase,
}

/// What a toxic does. Times are milliseconds where nothing else is said, as in Toxiproxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToxicAction {
    /// All data is late by `latency`, plus or minus up to `jitter`.
    Latency {
        /// How late.
        latency: u64,
        /// How much more or less, drawn per piece.
        #[serde(default)]
        jitter: u64,
    },
    /// The stream is as slow as this.
    Bandwidth {
        /// Thousands of bytes per second.
        rate: u64,
    },
    /// The end of the stream is late.
    SlowClose {
        /// How late.
        delay: u64,
    },
    /// Nothing passes, and the connection is closed after a time.
    Timeout {
        /// When it is closed; 0 means never.
        timeout: u64,
    },
    /// Nothing passes, and both sides get a RST after a time.
    ResetPeer {
        /// When they get it; 0 means at once.
        timeout: u64,
    },
    /// Data passes in small pieces.
    Slicer {
        /// Bytes of a piece, on average.
        average_size: u64,
        /// How many bytes a piece may be longer or shorter.
        #[serde(default)]
        size_variation: u64,
        /// Microseconds between two pieces.
        #[serde(default)]
        delay: u64,
    },
    /// The connection is closed after so many bytes.
    LimitData {
        /// How many still pass.
        bytes: u64,
    },
    /// Connections are reset, and new ones as soon as they are made.
    Down {},
}

/// What passes before a toxic begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum After {
    /// So many bytes of its stream, per connection.
    Bytes(u64),
    /// So many reads of its stream, per connection: what was written at once and arrived at once.
    Messages(u64),
    /// So many HTTP/1 requests through the proxy since the injection, all of them passed on. The connection that
    /// carried the last of them is the first to be hit: reset then, its answer is lost.
    Requests(u64),
}

const fn all() -> f64 {
    1.0
}
