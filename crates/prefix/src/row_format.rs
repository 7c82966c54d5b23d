use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

/// How the parts of a sample's row lie one after another in bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowFormat {
    /// Height, width and type of each part.
    parts: Vec<([usize; 2], DType)>,
}

impl RowFormat {
    /// That of parts `[samples, height, width]`.
    pub(crate) fn of<B: Backend>(parts: &[Tensor<B, 3>]) -> Self {
        let parts = parts.iter().map(|part| {
            let [_, height, width] = part.dims();
            ([height, width], part.dtype())
        });
        Self {
            parts: parts.collect(),
        }
    }

    /// Bytes of each part of a row.
    pub(crate) fn part_bytes(&self) -> impl Iterator<Item = usize> {
        self.parts
            .iter()
            .map(|([height, width], dtype)| height * width * dtype.size())
    }

    /// Bytes of a row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.part_bytes().sum()
    }

    /// `257x1024 F32, 257x1024 F32`.
    pub(crate) fn text(&self) -> String {
        let parts = self
            .parts
            .iter()
            .map(|([height, width], dtype)| format!("{height}x{width} {dtype:?}"));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The rows of tensors of this format, one after another.
    pub(crate) fn to_rows<B: Backend>(&self, parts: Vec<Tensor<B, 3>>) -> Vec<Vec<u8>> {
        let data: Vec<TensorData> = parts.into_iter().map(Tensor::into_data).collect();
        let samples = data.first().map_or(0, |part| part.shape[0]);
        let row = |sample: usize| {
            let parts = data.iter().zip(self.part_bytes());
            parts
                .flat_map(|(part, bytes)| &part.as_bytes()[sample * bytes..][..bytes])
                .copied()
                .collect()
        };
        (0..samples).map(row).collect()
    }

    /// The tensors of rows, `[rows, height, width]` each.
    pub(crate) fn to_parts<B: Backend>(
        &self,
        rows: &[impl AsRef<[u8]>],
        device: &B::Device,
    ) -> Vec<Tensor<B, 3>> {
        let mut begin = 0;
        let parts = self.parts.iter().zip(self.part_bytes());
        let parts = parts.map(|(([height, width], dtype), bytes)| {
            let here = begin..begin + bytes;
            begin += bytes;
            let values: Vec<u8> = rows
                .iter()
                .flat_map(|row| &row.as_ref()[here.clone()])
                .copied()
                .collect();
            let data = TensorData::from_bytes_vec(values, [rows.len(), *height, *width], *dtype);
            Tensor::from_data(data, (device, *dtype))
        });
        parts.collect()
    }
}
