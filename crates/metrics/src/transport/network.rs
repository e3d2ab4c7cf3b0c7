//! The network that flow is sent through, as the simplex method sees it.

use std::borrow::Cow;
use std::ops::AddAssign;

use num_traits::PrimInt;

/// Integers that hold dual prices and costs.
pub(super) trait Price: 'static + PrimInt + AddAssign + From<i32> + Into<i64> {
    /// The number, which must fit.
    fn of(value: i64) -> Self;
}

impl Price for i32 {
    fn of(value: i64) -> Self {
        value as Self
    }
}

impl Price for i64 {
    fn of(value: i64) -> Self {
        value
    }
}

/// A node with arcs to `len` neighbouring heads from `head` on, at costs that are neighbours, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fan {
    pub(super) tail: u32,
    pub(super) head: u32,
    pub(super) costs: u32,
    pub(super) len: u32,
}

/// A layered network: every arc leads from a node to one of the next layer, whose number is higher.
///
/// Mass enters at the first layer and leaves at the last.
#[derive(Debug, Clone)]
pub(super) struct Network<'a, P: Clone> {
    /// The numbers at which layers begin, and the number of nodes.
    pub(super) layers: Vec<usize>,
    /// The arcs of the nodes in use, in ascending order of tails; a node may have several fans.
    pub(super) fans: Vec<Fan>,
    pub(super) costs: Cow<'a, [P]>,
}

/// An arc of the network and the flow on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arc {
    pub(super) tail: usize,
    pub(super) head: usize,
    pub(super) flow: i64,
}

impl<P: Price> Network<'_, P> {
    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.layers.last().copied().unwrap_or(0)
    }

    /// The number of arcs.
    pub(super) fn arcs(&self) -> usize {
        self.fans.iter().map(|fan| fan.len as usize).sum()
    }

    /// The costs of a fan, in the order of its heads.
    #[inline]
    pub(super) fn fan_costs(&self, fan: &Fan) -> &[P] {
        &self.costs[fan.costs as usize..][..fan.len as usize]
    }

    /// The cost of an arc; nothing if there is no such arc.
    pub(super) fn cost(&self, tail: usize, head: usize) -> Option<P> {
        let first = self.fans.partition_point(|fan| (fan.tail as usize) < tail);
        let mut fans = self.fans[first..].iter().take_while(|fan| fan.tail as usize == tail);
        fans.find_map(|fan| self.fan_costs(fan).get(head.checked_sub(fan.head as usize)?).copied())
    }
}
