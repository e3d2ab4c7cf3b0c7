use crate::Element;

/// `e^{−u}` and `1 − e^{−u}` for `u ≥ 0` that was made of `z`, both to rounding.
///
/// Beyond [`Element::EXP_CUTOFF`] they are 0 and 1, so that no subnormal number arises. If `z` is not
/// finite both are NaN: what is broken must not look whole.
#[inline(always)]
pub(super) fn decay<E: Element>(u: E, z: E) -> (E, E) {
    let near = u <= E::EXP_CUTOFF;
    let (e, complement) = E::decay(if near { u } else { E::EXP_CUTOFF });
    // 0, or NaN if z is not finite.
    let broken = E::zero() * z;
    if near { (e + broken, complement + broken) } else { (broken, E::one() + broken) }
}
