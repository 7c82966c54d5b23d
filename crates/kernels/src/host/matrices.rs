/// Matrices `[rows, columns]` of one shape in a list of f32, which may overlap.
#[derive(Debug, Clone)]
pub struct Matrices<'a> {
    /// What they lie in.
    pub values: &'a [f32],
    /// Where the first element of each lies.
    pub starts: Vec<usize>,
    /// How far the next row and the next column are.
    pub strides: [usize; 2],
}

impl Matrices<'_> {
    /// The place in `values` behind the last element of all, for matrices that are not empty;
    /// `None` if it cannot be counted.
    pub(super) fn end(&self, [rows, columns]: [usize; 2]) -> Option<usize> {
        let down = (rows - 1).checked_mul(self.strides[0])?;
        let across = (columns - 1).checked_mul(self.strides[1])?;
        let start = self.starts.iter().copied().max().unwrap_or(0);
        down.checked_add(across)?.checked_add(start)?.checked_add(1)
    }
}
