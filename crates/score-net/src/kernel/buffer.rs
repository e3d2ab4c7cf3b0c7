use std::cell::Cell;

use ndarray::{ArrayView2, ArrayViewMut2};

/// Floats in a cache line; rows of matrices are padded to a multiple of it.
pub(super) const LINE: usize = 16;

/// `n` rounded up to whole cache lines.
pub(super) fn padded(n: usize) -> usize {
    n.next_multiple_of(LINE)
}

/// The place in `data` from which floats are aligned to cache lines.
fn aligned_start(data: &[f32]) -> usize {
    data.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE)
}

/// Floats that start at a cache line, all 0 at first.
#[derive(Debug)]
pub(super) struct Aligned {
    data: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    pub(super) fn zeros(len: usize) -> Self {
        let data = vec![0.0; len + LINE];
        let start = aligned_start(&data);
        Self { data, start, len }
    }
}

impl std::ops::Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl std::ops::DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends a kernel the memory it works in: each thread keeps what it needed last, so that nothing is
/// allocated in a loop. The floats hold whatever was there.
pub(super) fn with_scratch<R>(floats: usize, work: impl FnOnce(Scratch<'_>) -> R) -> R {
    // Taken rather than borrowed: work that comes back here on the same thread gets a new piece.
    let mut data = SCRATCH.take();
    if data.len() < floats + LINE {
        data = vec![0.0; floats + LINE];
    }
    let start = aligned_start(&data);
    let result = work(Scratch { rest: &mut data[start..] });
    SCRATCH.set(data);
    result
}

/// Memory to be cut into matrices.
pub(super) struct Scratch<'a> {
    rest: &'a mut [f32],
}

impl<'a> Scratch<'a> {
    /// The next `floats` floats, which must be whole cache lines.
    pub(super) fn take(&mut self, floats: usize) -> &'a mut [f32] {
        debug_assert_eq!(floats % LINE, 0);
        let (head, tail) = std::mem::take(&mut self.rest).split_at_mut(floats);
        self.rest = tail;
        head
    }

    /// The next `floats` floats, filled with zeros.
    pub(super) fn zeros(&mut self, floats: usize) -> &'a mut [f32] {
        let zeros = self.take(floats);
        zeros.fill(0.0);
        zeros
    }
}

/// Writes the rows of an array into a matrix from column `from` on.
pub(super) fn put_rows(
    matrix: &mut [f32],
    stride: usize,
    from: usize,
    values: ArrayView2<'_, f32>,
) {
    for (row, values) in matrix.chunks_exact_mut(stride).zip(values.rows()) {
        let slots = row[from..].iter_mut().zip(values);
        slots.for_each(|(slot, value)| *slot = *value);
    }
}

/// Reads an array from the columns of a matrix from `from` on.
pub(super) fn get_rows(
    matrix: &[f32],
    stride: usize,
    from: usize,
    mut out: ArrayViewMut2<'_, f32>,
) {
    for (mut out, row) in out.rows_mut().into_iter().zip(matrix.chunks_exact(stride)) {
        out.iter_mut().zip(&row[from..]).for_each(|(out, &s)| *out = s);
    }
}
