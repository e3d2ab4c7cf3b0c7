//! The `(d + 1)`-partite network of a grid: its numbers, its nodes in use and their arcs.

use super::cost::GridCosts;
use super::network::{Fan, Network, Price};

/// The `d + 1` layers of nodes of a grid with `d` axes.
///
/// From layer to layer mass moves along one axis, the first from layer 0 to layer 1: a node of layer `k`
/// is a place of which the coordinates before axis `k` are those where the mass goes to, and the others
/// those where it comes from. Within layer `k` nodes are numbered with the axis before `k` running
/// fastest, then axis `k` and on in a circle, so that the heads of a tail are always neighbours.
///
/// A grid with one axis is taken as one with a second of length one.
#[derive(Debug, Clone)]
pub(super) struct Lattice {
    sides: Vec<usize>,
    /// Nodes in each layer.
    places: usize,
}

impl Lattice {
    pub(super) fn new(mut sides: Vec<usize>) -> Self {
        if sides.len() == 1 {
            sides.push(1);
        }
        let places = sides.iter().product();
        Self { sides, places }
    }

    /// The number of axes, `d`, and of layers less one.
    pub(super) fn dim(&self) -> usize {
        self.sides.len()
    }

    /// The number of places along an axis.
    pub(super) fn side(&self, axis: usize) -> usize {
        self.sides[axis]
    }

    /// Nodes in a layer.
    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// Nodes in all layers.
    pub(super) fn len(&self) -> usize {
        (self.dim() + 1) * self.places
    }

    /// The numbers at which layers begin, and the number of nodes.
    pub(super) fn layers(&self) -> Vec<usize> {
        (0..=self.dim() + 1).map(|layer| layer * self.places).collect()
    }

    /// The axis that runs fastest in the numbers of a layer.
    fn fastest(&self, layer: usize) -> usize {
        (layer + self.dim() - 1) % self.dim()
    }

    /// The node of a layer at a place, given by its index in memory.
    pub(super) fn node(&self, layer: usize, place: usize) -> usize {
        let (mut node, mut stride, mut rest) = (0, 1, place);
        let mut indices = [0; 3];
        for (index, side) in indices.iter_mut().zip(&self.sides) {
            *index = rest % side;
            rest /= side;
        }
        for k in 0..self.dim() {
            let axis = (self.fastest(layer) + k) % self.dim();
            node += indices[axis] * stride;
            stride *= self.sides[axis];
        }
        layer * self.places + node
    }

    /// The indices along the axes of the place of a node, and its layer.
    pub(super) fn indices(&self, node: usize) -> (usize, [usize; 3]) {
        let (layer, mut rest) = (node / self.places, node % self.places);
        let mut indices = [0; 3];
        for k in 0..self.dim() {
            let axis = (self.fastest(layer) + k) % self.dim();
            indices[axis] = rest % self.sides[axis];
            rest /= self.sides[axis];
        }
        (layer, indices)
    }

    /// The index in memory of the place of a node.
    pub(super) fn place(&self, node: usize) -> usize {
        let (_, indices) = self.indices(node);
        self.sides.iter().zip(indices).rev().fold(0, |place, (side, i)| place * side + i)
    }

    /// The first of the heads of a tail, and the index among them of that at the same place.
    pub(super) fn heads(&self, tail: usize) -> (usize, usize) {
        let (layer, node) = (tail / self.places, tail % self.places);
        let (before, side) = (self.sides[self.fastest(layer)], self.sides[layer]);
        let (first, rest) = (node % before, node / before);
        let (position, rest) = (rest % side, rest / side);
        let others = self.places / (before * side);
        ((layer + 1) * self.places + side * (rest + others * first), position)
    }

    /// Which nodes flow can pass: supplies and demands with mass, and between them the nodes of which
    /// the coordinates left behind are those of such a supply, and those gone to of such a demand.
    pub(super) fn in_use(&self, supply: &[i64], demand: &[i64]) -> Vec<bool> {
        let (places, last) = (self.places, self.dim() * self.places);
        let mut used = vec![true; self.len()];
        for place in 0..places {
            used[self.node(0, place)] = supply[place] > 0;
            used[self.node(self.dim(), place)] = demand[place] > 0;
        }
        // What can be reached from a supply, and from where a demand can be reached.
        let mut reached = vec![false; self.len()];
        reached[..places].copy_from_slice(&used[..places]);
        for tail in 0..last {
            if reached[tail] {
                let (first, _) = self.heads(tail);
                reached[first..first + self.side(tail / places)].fill(true);
            }
        }
        for tail in (0..last).rev() {
            let (first, _) = self.heads(tail);
            let leads = used[first..first + self.side(tail / places)].contains(&true);
            used[tail] &= reached[tail] && leads;
        }
        used
    }

    /// The network of the nodes in use.
    pub(super) fn network<P: Price>(
        &self,
        costs: &GridCosts,
        used: &[bool],
    ) -> Network<'static, P> {
        let mut offsets = Vec::new();
        let mut values = Vec::new();
        for axis in &costs.axes {
            offsets.push(values.len());
            values.extend(axis.values.iter().map(|&cost| P::of(cost)));
        }
        // Of a second axis of length one.
        offsets.push(values.len());
        values.push(P::zero());
        let tails = (0..self.dim() * self.places).filter(|&tail| used[tail]);
        let fans = tails
            .map(|tail| {
                let (layer, (head, position)) = (tail / self.places, self.heads(tail));
                let start = costs.axes.get(layer).map_or(0, |axis| axis.start(position));
                Fan {
                    tail: tail as u32,
                    head: head as u32,
                    costs: (offsets[layer] + start) as u32,
                    len: self.side(layer) as u32,
                }
            })
            .collect();
        Network { layers: self.layers(), fans, costs: values.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Axis, Grid};

    #[test]
    fn numbers_and_places_are_inverse() {
        for sides in [vec![5], vec![4, 7], vec![3, 4, 5]] {
            let lattice = Lattice::new(sides);
            let mut seen = vec![false; lattice.len()];
            for layer in 0..=lattice.dim() {
                for place in 0..lattice.places() {
                    let node = lattice.node(layer, place);
                    assert_eq!((lattice.place(node), lattice.indices(node).0), (place, layer));
                    assert!(!std::mem::replace(&mut seen[node], true));
                }
            }
        }
    }

    #[test]
    fn arcs_move_along_one_axis_at_its_cost() {
        let axes = [(4, 2.0), (3, 1.0), (5, 7.0)].map(|(n, l)| Axis::nodes(0.0, l, n).unwrap());
        for dim in 1..=3 {
            let grid = Grid::new(&axes[..dim]).unwrap();
            let lattice = Lattice::new(axes[..dim].iter().map(Axis::len).collect());
            let costs = GridCosts::powers(&grid, 2, 1000).unwrap();
            let network: Network<'_, i64> = lattice.network(&costs, &vec![true; lattice.len()]);
            let mut count = 0;
            for fan in &network.fans {
                let (layer, from) = lattice.indices(fan.tail as usize);
                for (i, &cost) in network.fan_costs(fan).iter().enumerate() {
                    let head = fan.head as usize + i;
                    assert_eq!(network.cost(fan.tail as usize, head), Some(cost));
                    let (next, to) = lattice.indices(head);
                    assert_eq!((next, to[layer]), (layer + 1, i));
                    assert!((0..3).all(|k| k == layer || from[k] == to[k]));
                    let steps = from[layer].abs_diff(to[layer]) as f64;
                    let exact = axes.get(layer).map_or(0.0, |axis| steps * axis.spacing()).powi(2);
                    let found = if layer < dim { cost as f64 * costs.scale.unit } else { 0.0 };
                    assert!((found - exact).abs() <= costs.scale.rounding, "{found} {exact}");
                    count += 1;
                }
            }
            assert_eq!(count, network.arcs());
        }
    }
}
