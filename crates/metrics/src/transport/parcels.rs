//! From flow on the arcs of a network to a plan from place to place.

use super::network::Arc;

/// Mass on its way: where it comes from, and where it is or has gone to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parcel {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) mass: i64,
}

/// Follows the mass of the supplies through the layers: the parcels that arrive, with the places of their
/// origins and goals, in this order.
///
/// `layers` are the numbers at which layers begin, and the number of nodes. At every node what comes in
/// goes out again, the first parcel in the first arc.
pub(super) fn follow(
    supply: &[i64],
    layers: &[usize],
    mut flow: Vec<Arc>,
    place: impl Fn(usize) -> usize,
) -> Vec<Parcel> {
    flow.sort_unstable_by_key(|arc| arc.tail);
    let mut parcels: Vec<Parcel> = supply
        .iter()
        .enumerate()
        .filter(|(_, mass)| **mass > 0)
        .map(|(node, &mass)| Parcel { from: node, to: node, mass })
        .collect();
    let mut arcs = flow.as_slice();
    for &end in layers.iter().skip(1).take(layers.len().saturating_sub(2)) {
        let (now, later) = arcs.split_at(arcs.partition_point(|arc| arc.tail < end));
        arcs = later;
        // Both lists are sorted by node, and at each node their masses agree.
        let mut next = Vec::with_capacity(parcels.len() + now.len());
        let mut out = now.iter().copied();
        let mut current = out.next();
        for Parcel { from, mut mass, .. } in parcels {
            while let (1.., Some(arc)) = (mass, &mut current) {
                let part = mass.min(arc.flow);
                next.push(Parcel { from, to: arc.head, mass: part });
                mass -= part;
                arc.flow -= part;
                if arc.flow == 0 {
                    current = out.next();
                }
            }
        }
        next.sort_unstable_by_key(|parcel| parcel.to);
        parcels = next;
    }
    for Parcel { from, to, .. } in &mut parcels {
        (*from, *to) = (place(*from), place(*to));
    }
    parcels.sort_unstable_by_key(|parcel| (parcel.from, parcel.to));
    parcels.dedup_by(|next, kept| {
        let same = (next.from, next.to) == (kept.from, kept.to);
        if same {
            kept.mass += next.mass;
        }
        same
    });
    parcels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::examples::problems;
    use crate::transport::simplex::solve;

    #[test]
    fn mass_arrives_where_the_last_arcs_lead() {
        for problem in problems() {
            let network = problem.network::<i64>();
            let optimum = solve(&network, &problem.start(&network)).unwrap();
            let (places, dim) = (problem.lattice.places(), problem.lattice.dim());
            let supply: Vec<i64> =
                (0..places).map(|n| problem.masses.supply[problem.lattice.place(n)]).collect();
            let parcels = follow(&supply, &network.layers, optimum.flow.clone(), |node| node);
            assert!(parcels.len() <= optimum.flow.len());
            assert!(parcels.windows(2).all(|p| (p[0].from, p[0].to) < (p[1].from, p[1].to)));
            for (node, &mass) in supply.iter().enumerate() {
                let sent: i64 = parcels.iter().filter(|p| p.from == node).map(|p| p.mass).sum();
                assert_eq!(sent, mass);
                let last = dim * places + node;
                let got: i64 = parcels.iter().filter(|p| p.to == last).map(|p| p.mass).sum();
                assert_eq!(got, problem.masses.demand[problem.lattice.place(last)]);
            }
            // What is paid on the way is the cost from place to place: axes do not interfere.
            let paid: i64 = optimum
                .flow
                .iter()
                .map(|arc| arc.flow * network.cost(arc.tail, arc.head).unwrap())
                .sum();
            let direct = |p: &Parcel| {
                let ((_, a), (_, b)) =
                    (problem.lattice.indices(p.from), problem.lattice.indices(p.to));
                p.mass * (0..3).map(|k| (a[k] as i64 - b[k] as i64).pow(2)).sum::<i64>()
            };
            assert_eq!(paid, parcels.iter().map(direct).sum::<i64>());
        }
    }
}
