//! The checks, proven: each has a good history and a bad one on disk, and its tricky semantics spelled out.

mod asserted;
mod boundaries;
mod golden;
mod measured;
mod needed;
mod order;
mod order_free;
mod ordered;
mod otherwise;
mod reconciled;
mod semantics;
mod serial;
mod shop;
mod stated;
mod stories;
mod truncated;
mod untold;
