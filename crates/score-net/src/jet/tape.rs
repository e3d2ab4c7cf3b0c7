use dfdx::prelude::{Gradients, HasErr, Merge, NoneTape, OwnedTape, Tape};

use crate::Element;

/// A tape of dfdx that records only if it is told to: layers are written once, for training and for evaluation.
#[derive(Debug)]
pub struct JetTape<E: Element> {
    operations: OwnedTape<E, E::Device>,
    recording: bool,
}

impl<E: Element> JetTape<E> {
    /// One that records nothing.
    pub(crate) fn off() -> Self {
        Self { operations: OwnedTape::default(), recording: false }
    }

    /// One that goes on recording on a tape.
    pub(crate) fn on(operations: OwnedTape<E, E::Device>) -> Self {
        Self { operations, recording: true }
    }

    /// An empty one that records if this one does, to be merged with it later.
    pub(crate) fn branch(&self) -> Self {
        Self { operations: OwnedTape::default(), recording: self.recording }
    }

    /// What was recorded.
    pub(crate) fn into_operations(self) -> OwnedTape<E, E::Device> {
        self.operations
    }
}

/// For dfdx, which makes an empty tape where it merges two.
impl<E: Element> Default for JetTape<E> {
    fn default() -> Self {
        Self::on(OwnedTape::default())
    }
}

impl<E: Element> Merge<NoneTape> for JetTape<E> {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

impl<E: Element> Merge<Self> for JetTape<E> {
    fn merge(self, other: Self) -> Self {
        Self {
            operations: self.operations.merge(other.operations),
            recording: self.recording || other.recording,
        }
    }
}

impl<E: Element> Tape<E, E::Device> for JetTape<E> {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<E, E::Device>) -> Result<(), <E::Device as HasErr>::Err>,
    {
        if self.recording {
            self.operations.add_backward_op(operation);
        }
    }
}
