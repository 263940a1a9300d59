//! A request's visit to the node: operations that are answered together are checked
//! together.
//!
//! An answer is given if fence and epoch hold after its evaluation (see [`crate::node`]).
//! The operations of a batch are all answered behind the last of them, so one reading of
//! the clock does for several: each stays inside its partition until then. Fence first,
//! epochs behind it, as for one alone: who renews a lease closes first what was lost.
//!
//! Invariants: no more than [`TOGETHER_MAX`] are inside, so that a freeze waits for no more
//! than their evaluation; nothing is awaited meanwhile, because a [`Guard`] stays on its
//! thread.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use shoal_engine::{KeyHash, NotOpen, Now, Refused};

use crate::commit::{Ack, Commit};
use crate::failure::{Failure, Outcome};
use crate::forward::Effect;
use crate::node::{Fault, Moment, Node, Reader, Wrote};
use crate::ownership::Guard;

/// So many operations are checked together.
const TOGETHER_MAX: usize = 16;

/// The node, as one request sees it.
pub(crate) struct Visit<'a> {
    node: &'a Node,
    /// None: each operation is checked by itself.
    together: Option<RefCell<Vec<Stay<'a>>>>,
    /// Of the request.
    operation: Cell<usize>,
    /// Of its key, if that is known.
    hash: Cell<Option<KeyHash>>,
}

/// An operation that was evaluated, and not checked since.
struct Stay<'a> {
    guard: Guard<'a>,
    effect: Effect,
    operation: usize,
}

impl<'a> Visit<'a> {
    /// Of a request whose operations are checked one by one.
    pub(crate) fn alone(node: &'a Node) -> Visit<'a> {
        Visit {
            node,
            together: None,
            operation: Cell::new(0),
            hash: Cell::new(None),
        }
    }

    /// Of a request of so many operations, none of which is answered before
    /// [`Visit::leave`] was called for it.
    pub(crate) fn together(node: &'a Node, operations: usize) -> Visit<'a> {
        let inside = Vec::with_capacity(operations.min(TOGETHER_MAX));
        Visit {
            together: Some(RefCell::new(inside)),
            ..Visit::alone(node)
        }
    }

    /// What comes next is this operation of the request; the hash of its key, if that is
    /// known.
    pub(crate) fn begin(&self, operation: usize, hash: Option<KeyHash>) {
        self.operation.set(operation);
        self.hash.set(hash);
    }

    /// The hash of the key of the operation that has begun.
    pub(crate) fn hash(&self, key: &[u8]) -> KeyHash {
        let hash = self.hash.get();
        hash.unwrap_or_else(|| self.node.engine.hash(key))
    }

    /// Whether it is time to leave.
    pub(crate) fn is_full(&self) -> bool {
        let together = self.together.as_ref();
        together.is_some_and(|inside| inside.borrow().len() >= TOGETHER_MAX)
    }

    /// Check all that are inside, and go out. Returns the operations that must not be
    /// answered, in their order, each with what is known of it.
    pub(crate) fn leave(&self) -> Vec<(usize, Outcome)> {
        let Some(together) = &self.together else {
            return Vec::new();
        };
        let mut inside = together.borrow_mut();
        if inside.is_empty() {
            return Vec::new();
        }
        let is_fenced = self.node.moment().fenced;
        let failed = |stay: Stay<'_>| {
            let holds = !is_fenced && stay.guard.holds();
            (!holds).then_some((stay.operation, stay.effect.outcome()))
        };
        inside.drain(..).filter_map(failed).collect()
    }

    /// Read a key of the partition. Where a commit is returned, answer once it holds.
    ///
    /// What `evaluate` has written is void unless this returns `Ok`.
    pub(crate) fn read<R>(
        &self,
        partition: u32,
        key: &[u8],
        reader: Reader,
        evaluate: impl FnOnce(Moment) -> Result<R, NotOpen>,
    ) -> Result<(R, Option<Commit>), Fault> {
        let node = self.node;
        let (answer, commit, guard) = node.read_inside(partition, key, reader, evaluate)?;
        if let Some(guard) = guard {
            self.check(guard, Effect::Read)?;
        }
        Ok((answer, commit))
    }

    /// Write a key of the partition. `wrote` tells what was written, if anything was.
    /// Where a commit is returned, answer once it holds.
    pub(crate) fn write<R>(
        &self,
        partition: u32,
        key: &[u8],
        ack: Ack,
        evaluate: impl FnOnce(Now) -> Result<R, Refused>,
        wrote: impl FnOnce(&R) -> Wrote,
    ) -> Result<(R, Option<Commit>), Fault> {
        let node = self.node;
        let (answer, commit, guard) = node.write_inside(partition, key, ack, evaluate, wrote)?;
        self.check(guard, Effect::Write)?;
        Ok((answer, commit))
    }

    /// Check what was evaluated inside, now or with the others.
    fn check(&self, guard: Guard<'a>, effect: Effect) -> Result<(), Fault> {
        if let Some(together) = &self.together {
            together.borrow_mut().push(Stay {
                guard,
                effect,
                operation: self.operation.get(),
            });
            return Ok(());
        }
        if self.node.moment().fenced || !guard.holds() {
            return Err(Fault::Failed(Failure::LeaseExpired(effect.outcome())));
        }
        Ok(())
    }
}

impl Deref for Visit<'_> {
    type Target = Node;

    fn deref(&self) -> &Node {
        self.node
    }
}
