//! How many events per second the recorder writes onto a file, from one task and from as many as a run has.
//!
//! `codec alone` writes the same lines into memory: what no recorder can be faster than.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use overdraft_benches::{Run, USERS};
use overdraft_engine::{
    clock::Clock,
    progress::Progress,
    recorder::{self, Recorder},
};
use overdraft_model::{
    codec,
    history::{Body, Event},
};
use tokio::runtime::{Builder, Runtime};

/// Operations per round; each is two events.
const OPERATIONS: usize = 20_000;

type Conversation = Vec<(Body, Body)>;

/// One user's part: asks and answers, one after the other.
async fn talk(recorder: Recorder, conversation: Conversation) {
    for (asked, answered) in conversation {
        let (Body::Invoke { process, intended, operation, .. }, Body::Return { outcome, answer, .. }) =
            (asked, answered)
        else {
            continue;
        };
        let op = recorder.invoke(process, intended, operation).await.expect("the writer is there");
        recorder.complete(op, outcome, answer).await.expect("the writer is there");
    }
}

/// Records everything and waits until it is in the file.
fn record(runtime: &Runtime, parts: Vec<Conversation>) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("history.jsonl");
    let (recorder, writer) = recorder::open(&path, Clock::start(), Progress::default()).expect("a file");
    let began = Instant::now();
    runtime.block_on(async {
        join_all(parts.into_iter().map(|part| tokio::spawn(talk(recorder.clone(), part)))).await;
        drop(recorder);
    });
    let events = writer.finish().expect("written");
    let took = began.elapsed();
    assert_eq!(events.len(), 2 * OPERATIONS);
    took
}

fn parts(conversation: &[(Body, Body)], tasks: usize) -> Vec<Conversation> {
    conversation.chunks(conversation.len().div_ceil(tasks)).map(<[_]>::to_vec).collect()
}

fn recorder(criterion: &mut Criterion) {
    let runtime = Builder::new_multi_thread().build().expect("a runtime");
    let conversation = Run::correct(1, 1, OPERATIONS).conversation();
    let mut group = criterion.benchmark_group("recorder");
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(2 * OPERATIONS as u64));
    for (name, tasks) in [("one task", 1), ("120 tasks", USERS)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| record(&runtime, parts(&conversation, tasks))).sum());
        });
    }
    let events: Vec<Event> = conversation
        .into_iter()
        .flat_map(|(asked, answered)| [asked, answered])
        .zip(0..)
        .map(|(body, index)| Event { index, time: index * 1_000, body })
        .collect();
    let mut buffer = Vec::new();
    group.bench_function("codec alone", |bencher| {
        bencher.iter(|| {
            buffer.clear();
            events.iter().for_each(|event| codec::write_event(&mut buffer, event).expect("memory takes all"));
            black_box(buffer.len())
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    targets = recorder
}
criterion_main!(benches);
