use super::MatmulShape;

/// What shapes have a line of their own in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ShapeClass {
    /// One product that fills a GPU with large tiles.
    Large,
    /// One smaller or narrower product.
    Small,
    /// Several products of any size.
    Batched,
}

/// The least of m, k and n of a large product.
const LARGE_SIDE: usize = 128;
/// The least m k n of a large product.
const LARGE_VOLUME: usize = 1 << 28;

impl ShapeClass {
    /// Every class.
    pub const ALL: [Self; 3] = [Self::Large, Self::Small, Self::Batched];

    /// The class of a shape.
    pub fn of(shape: &MatmulShape) -> Self {
        let MatmulShape { batch, m, k, n, .. } = *shape;
        let volume = m.saturating_mul(k).saturating_mul(n);
        match batch {
            1 if m.min(k).min(n) >= LARGE_SIDE && volume >= LARGE_VOLUME => Self::Large,
            1 => Self::Small,
            _ => Self::Batched,
        }
    }

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::Small => "small",
            Self::Batched => "batched",
        }
    }

    /// What belongs to it, as the plan's text says.
    pub fn definition(self) -> String {
        match self {
            Self::Large => {
                format!("one product, m, k, n >= {LARGE_SIDE} and m k n >= {LARGE_VOLUME}")
            }
            Self::Small => "one product, not large".to_owned(),
            Self::Batched => "several products".to_owned(),
        }
    }
}
