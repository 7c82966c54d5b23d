use super::{Kernel, MatmulShape, PlanRow, ShapeClass, table::TABLE};
use crate::Precision;

/// Which kernel computes what on a GPU: a fixed table of matrix products and a list of the other
/// kernels, the same for every run of this version.
///
/// The first row that matches precision, shape and layout names one or several kernels. The first
/// of them that can be set up for the exact shape and device runs. Setting up fails or succeeds
/// by shape, strides, types and device properties alone, so that the choice is the same in every
/// process; the device is part of a run's identity beside the plan's [`hash`](Self::hash).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelPlan {
    rows: &'static [PlanRow],
}

/// What else decides which code a kernel's name means.
const VERSIONS: &str = "cubek 0.2.0, cubecl 0.10.0";

/// The kernels of `dacapo-kernels` that take the place of tensor operations, each with a number
/// that grows with every change of its bits.
const FUSED: [(&str, u32); 13] = [
    ("dora_merge", 2),
    ("dropout_mask", 1),
    ("adamw_step", 1),
    ("layer_norm", 1),
    ("activation", 1),
    ("softmax", 1),
    ("sum_parts", 1),
    ("sum_all", 1),
    ("f32_product", 1),
    ("tensor_core_product", 1),
    ("small_product", 1),
    ("l2_normalise", 1),
    ("single_query", 1),
];

/// A tile of a result that is split, each of whose parts occupies a processor.
const TILE: usize = 128;
/// Tiles of all parts together.
const MOST_TILES: usize = 256;
/// The least of k in a part.
const LEAST_PART: usize = 256;

impl KernelPlan {
    /// The plan of this version.
    pub const fn current() -> Self {
        Self { rows: TABLE }
    }

    /// All lines, first match first.
    pub fn rows(&self) -> &'static [PlanRow] {
        self.rows
    }

    /// Name and version of each kernel that takes the place of tensor operations; where one
    /// declines a float type or size, plain tensor operations compute.
    pub fn fused(&self) -> &'static [(&'static str, u32)] {
        &FUSED
    }

    /// The kernels for a product, in the order in which they are tried. Those whose alignment
    /// the operands do not have are left out.
    ///
    /// # Panics
    /// If the table has no line for it, which a test excludes.
    pub fn kernels(
        &self,
        precision: Precision,
        shape: &MatmulShape,
    ) -> impl Iterator<Item = Kernel> + use<> {
        let row = self.rows.iter().find(|row| row.matches(precision, shape));
        let row = row.unwrap_or_else(|| panic!("the kernel plan has no line for {shape:?}"));
        let aligned = shape.aligned;
        row.kernels
            .iter()
            .copied()
            .filter(move |kernel| aligned || !kernel.uses_tma())
    }

    /// Into how many products of parts of k a product is split, whose results are then added in
    /// their order: where its result alone would occupy a small part of a GPU, and its kernel is not
    /// [`Kernel::SmallProduct`], which does that itself.
    pub fn parts(&self, shape: &MatmulShape) -> usize {
        let MatmulShape { batch, m, k, n, .. } = *shape;
        let tiles = m.div_ceil(TILE) * n.div_ceil(TILE);
        let mut parts = 1;
        // Parts of whole vectors, as the tensor memory accelerator wants them.
        while batch == 1
            && 2 * parts * tiles <= MOST_TILES
            && k / (2 * parts) >= LEAST_PART
            && k.is_multiple_of(8 * parts)
        {
            parts *= 2;
        }
        parts
    }

    /// The whole plan as text, the same for ever for the same plan.
    pub fn text(&self) -> String {
        let mut lines = vec![
            format!(
                "kernel plan 7: {VERSIONS}; sums and results f32, contiguous; first kernel that can be set up"
            ),
            format!("in place of tensor operations: {}", fused_text()),
            "aligned: tma kernels only where rows begin at multiples of 16 bytes".to_owned(),
        ];
        lines.push(format!(
            "split, unless by small_product: one product to f32, into 2^i parts of k, most with at most {MOST_TILES} tiles of \
             {TILE} x {TILE} in all, {LEAST_PART} and a multiple of 4 of k each"
        ));
        lines.extend(
            ShapeClass::ALL.map(|class| format!("class {}: {}", class.name(), class.definition())),
        );
        lines.extend(Kernel::ALL.iter().filter_map(|kernel| {
            let tiling = kernel.tiling()?;
            Some(format!("tiling {}: {tiling:?}", kernel.name()))
        }));
        lines.extend(self.rows.iter().map(PlanRow::text));
        lines.join("\n") + "\n"
    }

    /// BLAKE3 of the text, in hex.
    pub fn hash(&self) -> String {
        blake3::hash(self.text().as_bytes()).to_hex().to_string()
    }

    /// As a run's identity names it.
    pub fn id(&self) -> String {
        format!("{VERSIONS}, {}, plan {}", fused_text(), &self.hash()[..16])
    }
}

/// `dora_merge 1, ...`.
fn fused_text() -> String {
    let names: Vec<_> = FUSED
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Layout;

    fn shape(batch: usize, m: usize, k: usize, n: usize) -> MatmulShape {
        let layout = Layout::Nn;
        MatmulShape {
            batch,
            m,
            k,
            n,
            layout,
            aligned: true,
        }
    }

    #[test]
    fn shape_has_no_line() {
        let plan = KernelPlan::current();
        for precision in Precision::ALL {
            for shape in [
                shape(1, 1, 1, 1),
                shape(1, 16448, 1024, 4096),
                shape(1, 16448, 1024, 127),
                shape(64, 257, 64, 257),
                shape(2, 4096, 4096, 4096),
            ] {
                for layout in [Layout::Nn, Layout::Nt, Layout::Tn, Layout::Tt] {
                    for aligned in [true, false] {
                        let shape = MatmulShape {
                            layout,
                            aligned,
                            ..shape
                        };
                        let kernels: Vec<_> = plan.kernels(precision, &shape).collect();
                        assert!(!kernels.is_empty(), "{precision} {shape:?}");
                        assert!(aligned || kernels.iter().all(|kernel| !kernel.uses_tma()));
                    }
                }
            }
        }
    }

    #[test]
    fn part_is_too_small_or_uneven() {
        let plan = KernelPlan::current();
        for (m, k, n, expected) in [
            (64, 1024, 4096, 4),
            (64, 4096, 1024, 16),
            (1024, 16448, 1024, 4),
            (16448, 1024, 4096, 1),
            (64, 511, 64, 1),
            (64, 1022, 64, 1),
            (64, 516, 64, 1),
            (64, 520, 64, 2),
            (1, 1 << 20, 1, 256),
        ] {
            let found = plan.parts(&shape(1, m, k, n));
            assert_eq!(found, expected, "{m}x{k}x{n}");
            assert!(k % found == 0 && (found == 1 || (k / found).is_multiple_of(4)));
        }
        assert_eq!(plan.parts(&shape(2, 64, 4096, 64)), 1);
    }

    #[test]
    fn precision_is_another_than_declared() {
        for row in KernelPlan::current().rows() {
            for kernel in row.kernels {
                // bf16 operands have been rounded before: any kernel computes the same products.
                match row.precision {
                    Precision::F32 => assert!(!kernel.uses_tensor_cores(), "{row:?}"),
                    Precision::Tf32 => assert!(kernel.uses_tensor_cores(), "{row:?}"),
                    Precision::Bf16 => {}
                }
            }
        }
    }

    #[test]
    fn row_is_never_reached() {
        let rows = KernelPlan::current().rows();
        for (i, row) in rows.iter().enumerate() {
            let hidden = rows[..i].iter().any(|earlier| {
                (earlier.precision, earlier.class) == (row.precision, row.class)
                    && (earlier.layout.is_none() || earlier.layout == row.layout)
            });
            assert!(!hidden, "{}", row.text());
        }
    }

    #[test]
    fn plan_names_another_version() {
        let lock = include_str!("../../../../Cargo.lock");
        let version = |name: &str| {
            let from = format!("name = \"{name}\"\nversion = \"");
            let after = lock.split(&from).nth(1).expect("a dependency");
            after.split('"').next().expect("a version").to_owned()
        };
        let versions = format!(
            "cubek {}, cubecl {}",
            version("cubek-matmul"),
            version("cubecl")
        );
        assert_eq!(VERSIONS, versions);
    }

    #[test]
    fn plan_changes_without_notice() {
        // A change of the table is a change of every GPU run's identity: write the new hash here
        // and into the changelog.
        assert_eq!(&KernelPlan::current().hash()[..16], "4ca9b760557a728b");
    }

    #[test]
    fn kernel_is_not_part_of_the_identity() {
        let plan = KernelPlan::current();
        for (name, version) in plan.fused() {
            let told = format!("{name} {version}");
            assert!(plan.id().contains(&told), "{}", plan.id());
            assert!(plan.text().contains(&told), "{}", plan.text());
        }
    }

    #[test]
    fn two_kernels_share_a_name() {
        let names: std::collections::BTreeSet<_> = Kernel::ALL.map(Kernel::name).into();
        assert_eq!(names.len(), Kernel::ALL.len());
    }
}
