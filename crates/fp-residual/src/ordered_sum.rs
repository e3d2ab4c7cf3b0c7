use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fokker_score_net::{Element, Gradient, ScoreNetwork};

/// The sum of the gradients of tasks in the order of the tasks, which may end in any order: the same bits
/// for any number of threads. A gradient is kept no longer than until those before it are there, and its
/// memory goes to the next task.
pub(crate) struct OrderedSum<'a, E: Element> {
    network: &'a ScoreNetwork<E>,
    state: Mutex<State<E>>,
}

struct State<E> {
    sum: Gradient<E>,
    /// The first task that is not in the sum.
    next: usize,
    /// Gradients of tasks after that one.
    waiting: BTreeMap<usize, Gradient<E>>,
    spare: Vec<Gradient<E>>,
}

impl<'a, E: Element> OrderedSum<'a, E> {
    pub(crate) fn new(network: &'a ScoreNetwork<E>) -> Self {
        let state = State {
            sum: Gradient::zeros(network),
            next: 0,
            waiting: BTreeMap::new(),
            spare: Vec::new(),
        };
        Self { network, state: Mutex::new(state) }
    }

    /// Calls `task` with a gradient of zeros, and adds what it makes of it as that of task `index`.
    pub(crate) fn add<R>(&self, index: usize, task: impl FnOnce(&mut [E]) -> R) -> R {
        // A task that panics ends the whole sum: the state it leaves is not looked at.
        let lock = || self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = lock().spare.pop();
        let mut part = match spare {
            Some(mut spare) => {
                spare.0.fill(E::zero());
                spare
            }
            None => Gradient::zeros(self.network),
        };
        let result = task(&mut part.0);
        let mut state = lock();
        state.waiting.insert(index, part);
        let mut next = state.next;
        while let Some(part) = state.waiting.remove(&next) {
            state.sum.0.iter_mut().zip(&part.0).for_each(|(sum, &g)| *sum += g);
            state.spare.push(part);
            next += 1;
        }
        state.next = next;
        result
    }

    /// The sum of all tasks.
    pub(crate) fn finish(self) -> Gradient<E> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).sum
    }
}
