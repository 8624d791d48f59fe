//! The search for an order. See the module above for where it comes from.
//!
//! Operations with an end come first, by their call, then those without. An operation is a candidate if it was asked
//! before the earliest end that is outstanding. Of those with an end, reads are tried first, for where one fits nothing
//! else has to be tried; those without come last, for an effect that nobody has to see yet is best left for later.

use std::cell::Cell;

use super::{
    Answer, Budget, Counterexample, End, Limit, Specification, Timed,
    alike::classes,
    links::{Links, number},
    memo::{Memo, Placed, States},
};

/// How many steps between two questions to the caller's clock.
const BETWEEN: u64 = 4_096;

/// Where the walk over the candidates stands: at a node of those that it goes through now.
#[derive(Clone, Copy)]
struct Walk {
    through: Through,
    at: Option<u32>,
}

/// What a walk goes through, one after the other.
#[derive(Clone, Copy)]
enum Through {
    /// Those with an end that only read.
    Reads,
    /// The others with an end.
    Closed,
    /// Those without an end.
    Open,
}

/// One placed operation, and how to go on without it.
struct Frame {
    node: u32,
    walk: Walk,
    state: u32,
    /// Other states in which it may have left the one before.
    others: Vec<u32>,
}

pub(super) struct Search<'a, S: Specification> {
    specification: &'a S,
    history: &'a [Timed<S::Operation, S::Output>],
    budget: Budget,
    /// Position in the history by node, and the other way round.
    of: Vec<usize>,
    node_of: Vec<u32>,
    /// How many nodes have an end.
    closed: usize,
    calls: Links,
    ends: Links,
    /// Lists of nodes that are alike; a node that is like no other is in none.
    alike: Links,
    class: Vec<Option<u32>>,
    /// By node, whether it only reads: where it fits, there is no need to try anything else in its place.
    reads: Vec<bool>,
    /// Whether one does.
    reads_first: bool,
    placed: Placed,
    states: States<S::State>,
    memo: Memo,
    state: u32,
    stack: Vec<Frame>,
    /// Operations that must be placed and are not.
    outstanding: usize,
    steps: u64,
    /// When to ask the caller next.
    ask_at: u64,
    deepest: Deepest,
    next: Vec<S::State>,
}

/// The longest order so far. It is copied only where a way ends, and only as far as it differs.
#[derive(Default)]
struct Deepest {
    nodes: Vec<u32>,
    /// So many of them are those of the stack.
    shared: usize,
    state: u32,
    stuck: Option<u32>,
    out_of_reach: bool,
    beside: Vec<u32>,
}

impl<'a, S: Specification> Search<'a, S> {
    pub(super) fn new(specification: &'a S, history: &'a [Timed<S::Operation, S::Output>], budget: Budget) -> Self {
        let mut of: Vec<usize> = (0..history.len()).collect();
        of.sort_by_key(|at| (!matches!(history[*at].end, End::At(_)), history[*at].call, *at));
        let closed = of.partition_point(|at| matches!(history[*at].end, End::At(_)));
        let mut node_of = vec![0; history.len()];
        of.iter().enumerate().for_each(|(node, at)| node_of[*at] = number(node));

        let mut calls = Links::new(of.len(), 2);
        (0..of.len()).for_each(|node| calls.push(u32::from(node >= closed), number(node)));
        let mut by_end: Vec<u32> = (0..number(closed)).collect();
        by_end.sort_by_key(|node| (end(&history[of[*node as usize]]), *node));
        let mut ends = Links::new(of.len(), 1);
        by_end.iter().for_each(|node| ends.push(0, *node));

        let (class, classes) = classes(specification, history, &of);
        let mut alike = Links::new(of.len(), classes);
        for (node, class) in class.iter().enumerate() {
            class.iter().for_each(|class| alike.push(*class, number(node)));
        }
        let reads = |at: &usize| specification.only_reads(&history[*at].operation, history[*at].output.as_ref());
        let reads: Vec<bool> = of.iter().map(reads).collect();
        let mut states = States::new();
        let state = states.number(specification.initial());
        Self {
            specification,
            history,
            budget,
            outstanding: history.iter().filter(|operation| operation.end != End::Maybe).count(),
            placed: Placed::new(closed, of.len() - closed),
            of,
            node_of,
            closed,
            calls,
            ends,
            alike,
            class,
            reads_first: reads.contains(&true),
            reads,
            states,
            memo: Memo::default(),
            state,
            stack: Vec::new(),
            steps: 0,
            ask_at: BETWEEN,
            deepest: Deepest::default(),
            next: Vec::new(),
        }
    }

    pub(super) fn run(mut self, stop: &mut dyn FnMut() -> bool) -> Answer<S::State> {
        let mut walk = self.begin();
        while self.outstanding > 0 {
            if let Some(limit) = self.spent(stop) {
                return Answer::Unknown(limit);
            }
            self.steps += 1;
            let next = match self.candidate(walk) {
                Candidate::Try(node) => match self.place(node, walk) {
                    Tried::Placed => match self.out_of_reach(node) {
                        None => Some(self.begin()),
                        Some(read) => {
                            self.note(Some(read));
                            self.retreat()
                        }
                    },
                    Tried::No => Some(self.following(walk)),
                    Tried::DeadEnd => self.retreat(),
                },
                Candidate::Skip => Some(self.following(walk)),
                Candidate::None => match walk.through {
                    Through::Reads => Some(self.walk(Through::Closed)),
                    Through::Closed => Some(self.walk(Through::Open)),
                    Through::Open => {
                        self.note(None);
                        self.retreat()
                    }
                },
            };
            let Some(next) = next else { return self.violation() };
            walk = next;
        }
        Answer::Linearizable
    }

    fn spent(&mut self, stop: &mut dyn FnMut() -> bool) -> Option<Limit> {
        if self.steps >= self.budget.steps {
            return Some(Limit::Steps(self.budget.steps));
        }
        if self.memo.bytes(&self.states) > self.budget.bytes {
            return Some(Limit::Bytes(self.budget.bytes));
        }
        if self.steps < self.ask_at {
            return None;
        }
        self.ask_at = self.steps + BETWEEN;
        stop().then_some(Limit::Stopped)
    }

    fn begin(&self) -> Walk {
        self.walk(if self.reads_first { Through::Reads } else { Through::Closed })
    }

    fn walk(&self, through: Through) -> Walk {
        Walk { through, at: self.calls.first(u32::from(matches!(through, Through::Open))) }
    }

    fn following(&self, Walk { through, at }: Walk) -> Walk {
        Walk { through, at: at.and_then(|node| self.calls.next(node)) }
    }

    fn operation(&self, node: u32) -> &'a Timed<S::Operation, S::Output> {
        &self.history[self.of[node as usize]]
    }

    /// The earliest outstanding end: nothing that was asked after it can come next.
    fn frontier(&self) -> u64 {
        self.ends.first(0).map_or(u64::MAX, |node| end(self.operation(node)))
    }

    /// After an operation was placed: of those that could come next, one that only reads and answers what no state to
    /// come can answer. All that is looked at counts as steps.
    fn out_of_reach(&mut self, placed: u32) -> Option<u32> {
        if !S::FORESEES || self.reads[placed as usize] {
            return None;
        }
        let looked = Cell::new(0);
        let state = self.states.state(self.state);
        let candidates = self.until(0, self.frontier()).inspect(|_| looked.set(looked.get() + 1));
        let found = candidates.filter(|node| self.reads[*node as usize]).find(|node| {
            let read = self.operation(*node);
            let others = self.until(0, end(read)).chain(self.until(1, end(read))).filter(|other| other != node);
            let before = others.inspect(|_| looked.set(looked.get() + 1));
            let mut before = before.map(|node| &self.operation(node).operation).peekable();
            // A read before which nothing can come any more is due, and found not to fit without this.
            before.peek().is_some()
                && self.specification.out_of_reach(state, &read.operation, read.output.as_ref(), &mut before)
        });
        self.steps += looked.get();
        found
    }

    /// The outstanding ones of a list that were asked by then.
    fn until(&self, list: u32, time: u64) -> impl Iterator<Item = u32> {
        std::iter::successors(self.calls.first(list), |node| self.calls.next(*node))
            .take_while(move |node| self.operation(*node).call <= time)
    }

    fn candidate(&mut self, walk: Walk) -> Candidate {
        let frontier = self.frontier();
        let Some(node) = walk.at.filter(|node| self.operation(*node).call <= frontier) else { return Candidate::None };
        let here = match walk.through {
            Through::Reads => self.reads[node as usize],
            Through::Closed => !self.reads[node as usize],
            Through::Open => true,
        };
        if !here || self.operation(node).after.is_some_and(|at| !self.placed.holds(self.node_of[at])) {
            return Candidate::Skip;
        }
        match self.class[node as usize] {
            Some(_) if !self.alike.is_first(node) => Candidate::Skip,
            Some(_) if (node as usize) < self.closed => Candidate::Try(self.earliest_alike(node, frontier)),
            _ => Candidate::Try(node),
        }
    }

    /// Of the candidates like this one, the first, the one that ends earliest: if another of them can come next,
    /// so can this one, and the other takes its place later.
    fn earliest_alike(&mut self, first: u32, frontier: u64) -> u32 {
        let (mut earliest, mut looked) = (first, 0);
        let mut next = self.alike.next(first);
        while let Some(node) = next.filter(|node| self.operation(*node).call <= frontier) {
            looked += 1;
            if end(self.operation(node)) < end(self.operation(earliest)) {
                earliest = node;
            }
            next = self.alike.next(node);
        }
        self.steps += looked;
        earliest
    }

    fn place(&mut self, node: u32, walk: Walk) -> Tried {
        let operation = self.operation(node);
        self.next.clear();
        let state = self.states.state(self.state);
        self.specification.step(state, &operation.operation, operation.output.as_ref(), &mut self.next);
        if self.next.is_empty() {
            return Tried::No;
        }
        let mut others: Vec<u32> = Vec::with_capacity(self.next.len() - 1);
        let mut first = None;
        for state in self.next.drain(..) {
            let state = self.states.number(state);
            if first.is_none() { first = Some(state) } else { others.push(state) }
        }
        others.reverse();
        let Some(first) = first else { return Tried::No };
        match self.descend(Frame { node, walk, state: self.state, others }, first) {
            true => Tried::Placed,
            false if self.reads[node as usize] => Tried::DeadEnd,
            false => Tried::No,
        }
    }

    /// Places an operation with the first of its states from which the search has not been.
    fn descend(&mut self, mut frame: Frame, state: u32) -> bool {
        let node = frame.node;
        self.placed.set(node);
        let mut state = Some(state);
        while let Some(next) = state {
            if self.memo.insert(&self.placed, next) {
                self.calls.take(node);
                if (node as usize) < self.closed {
                    self.ends.take(node);
                }
                if self.class[node as usize].is_some() {
                    self.alike.take(node);
                }
                self.outstanding -= usize::from(self.operation(node).end != End::Maybe);
                self.state = next;
                self.stack.push(frame);
                return true;
            }
            state = frame.others.pop();
        }
        self.placed.clear(node);
        false
    }

    /// Takes back operations until another way is open. None if there is none.
    fn retreat(&mut self) -> Option<Walk> {
        while let Some(mut frame) = self.stack.pop() {
            let node = frame.node;
            self.deepest.shared = self.deepest.shared.min(self.stack.len());
            self.outstanding += usize::from(self.operation(node).end != End::Maybe);
            if self.class[node as usize].is_some() {
                self.alike.put_back(node);
            }
            if (node as usize) < self.closed {
                self.ends.put_back(node);
            }
            self.calls.put_back(node);
            self.placed.clear(node);
            self.state = frame.state;
            let walk = frame.walk;
            if let Some(other) = frame.others.pop()
                && self.descend(frame, other)
            {
                return Some(self.begin());
            }
            if !self.reads[node as usize] {
                return Some(self.following(walk));
            }
        }
        None
    }

    /// Keeps the longest order, and what it could not go past: a read out of reach, or else the earliest end.
    fn note(&mut self, out_of_reach: Option<u32>) {
        let deepest = &mut self.deepest;
        if self.stack.len() <= deepest.nodes.len() && deepest.stuck.is_some() {
            return;
        }
        deepest.nodes.truncate(deepest.shared);
        deepest.nodes.extend(self.stack[deepest.shared..].iter().map(|frame| frame.node));
        deepest.shared = self.stack.len();
        deepest.state = self.state;
        let must = |node: &u32| self.operation(*node).end == End::Open;
        let stuck = out_of_reach.or_else(|| self.ends.first(0)).or_else(|| self.until(1, u64::MAX).find(must));
        self.deepest.beside = match out_of_reach {
            Some(_) => Vec::new(),
            None => self.until(0, self.frontier()).filter(|node| Some(*node) != stuck).collect(),
        };
        self.deepest.out_of_reach = out_of_reach.is_some();
        self.deepest.stuck = stuck;
    }

    fn violation(mut self) -> Answer<S::State> {
        self.note(None);
        let at = |node: &u32| self.of[*node as usize];
        let deepest = &self.deepest;
        Answer::Violation(Counterexample {
            prefix: deepest.nodes.iter().map(at).collect(),
            state: self.states.state(deepest.state).clone(),
            stuck: at(&deepest.stuck.unwrap_or_default()),
            out_of_reach: deepest.out_of_reach,
            beside: deepest.beside.iter().map(at).collect(),
        })
    }
}

enum Candidate {
    Try(u32),
    Skip,
    None,
}

enum Tried {
    Placed,
    No,
    /// It fits and only reads, and the search has been where it leads to: that way ended, so this one does.
    DeadEnd,
}

fn end<O, R>(operation: &Timed<O, R>) -> u64 {
    match operation.end {
        End::At(time) => time,
        End::Open | End::Maybe => u64::MAX,
    }
}
