/// Which of some rows are on the Pareto front: no other is at least as small in every number and smaller in one.
pub(crate) fn front<const K: usize>(rows: &[[f64; K]]) -> Vec<bool> {
    let beats = |other: &[f64; K], own: &[f64; K]| {
        other.iter().zip(own).all(|(other, own)| other <= own) && other != own
    };
    rows.iter().map(|own| !rows.iter().any(|other| beats(other, own))).collect()
}

#[cfg(test)]
mod tests {
    use super::front;

    #[test]
    fn only_what_is_beaten_in_nothing_is_left_out() {
        let rows = [[1.0, 3.0], [2.0, 2.0], [2.0, 2.0], [3.0, 2.0], [2.5, 1.0], [3.0, 3.0]];
        assert_eq!(front(&rows), [true, true, true, false, true, false]);
    }
}
