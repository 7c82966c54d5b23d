//! Launching and timing one candidate on one case.

use std::time::Instant;

use cubecl::Runtime;
use cubecl::client::ComputeClient;
use cubecl::ir::AddressType;
use cubecl::std::tensor::TensorHandle;
use cubecl::zspace::Shape;
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems, MatmulProblem};
use cubek::matmul::launch::launch_ref;
use cubek::std::InputBinding;

use crate::candidate::{Choice, Precision};
use crate::case::{Case, Layout};
use crate::data::Data;

/// What was seen of a candidate.
pub struct Measured {
    /// Median time of a launch, in seconds.
    pub seconds: f64,
    /// Fastest sample, in seconds.
    pub fastest: f64,
    /// Largest error of the sampled results, over their root mean square.
    pub error: f64,
    /// Whether the sampled results had equal bits the first and the last time.
    pub equal: bool,
}

/// The operands of one case in one precision, and room for the result.
pub struct Bench<'a, R: Runtime> {
    client: &'a ComputeClient<R>,
    case: Case,
    precision: Precision,
    lhs: TensorHandle<R>,
    rhs: TensorHandle<R>,
    /// Other operand: what it leaves in the result is wrong for `rhs`.
    other: TensorHandle<R>,
    out: TensorHandle<R>,
}

/// The shape in memory, before a transposed view is taken.
fn stored(case: &Case) -> ([usize; 3], [usize; 3]) {
    let Case { batch, m, k, n, .. } = *case;
    match case.layout {
        Layout::Nn => ([batch, m, k], [batch, k, n]),
        Layout::Nt => ([batch, m, k], [batch, n, k]),
        Layout::Tn => ([batch, k, m], [batch, k, n]),
    }
}

fn view<R: Runtime>(mut tensor: TensorHandle<R>, transposed: bool) -> TensorHandle<R> {
    let rank = tensor.metadata.shape.len();
    if transposed {
        tensor.metadata.swap(rank - 1, rank - 2);
    }
    tensor
}

fn shape(case: &Case, dims: [usize; 3]) -> Shape {
    match case.batch {
        1 => Shape::from(vec![dims[1], dims[2]]),
        _ => Shape::from(dims.to_vec()),
    }
}

impl<'a, R: Runtime> Bench<'a, R> {
    /// Operands in memory; without `data`, whatever the memory holds.
    pub fn new(
        client: &'a ComputeClient<R>,
        case: Case,
        precision: Precision,
        data: Option<&Data>,
    ) -> Self {
        let elem = precision.operand();
        let tensor = |dims: [usize; 3], offset: usize| {
            let shape = shape(&case, dims);
            let layout = match data {
                Some(data) => {
                    let len = dims.iter().product();
                    client.create_tensor_from_slice(
                        data.bytes(precision, offset, len),
                        shape.clone(),
                        elem.size(),
                    )
                }
                None => client.empty_tensor(shape.clone(), elem.size()),
            };
            TensorHandle::new(
                layout.memory,
                shape,
                layout.strides,
                cubecl::ir::Type::new(elem),
            )
        };
        let (lhs, rhs) = stored(&case);
        let out = [case.batch, case.m, case.n];
        let out_shape = shape(&case, out);
        let out_layout = client.empty_tensor(out_shape.clone(), 4);
        let f32_type = cubecl::ir::Type::new(Precision::F32.operand());
        Self {
            client,
            case,
            precision,
            lhs: view(tensor(lhs, 0), case.layout == Layout::Tn),
            rhs: view(tensor(rhs, Data::RHS), case.layout == Layout::Nt),
            other: view(tensor(rhs, Data::OTHER), case.layout == Layout::Nt),
            out: TensorHandle::new(out_layout.memory, out_shape, out_layout.strides, f32_type),
        }
    }

    /// One launch, not waited for.
    pub fn launch(&self, choice: Choice, other: bool) -> Result<(), String> {
        let elem = self.precision.operand();
        let rhs = if other { &self.other } else { &self.rhs };
        let globals = MatmulGlobalElems {
            lhs: elem,
            rhs: elem,
            out: Precision::F32.operand(),
        };
        let problem = MatmulProblem::from_shapes_and_strides(
            self.lhs.metadata.shape.clone(),
            rhs.metadata.shape.clone(),
            self.out.metadata.shape.clone(),
            self.lhs.metadata.strides.clone(),
            rhs.metadata.strides.clone(),
            self.out.metadata.strides.clone(),
            globals.clone(),
            AddressType::U32,
            None,
            None,
        )
        .map_err(|error| format!("{error:?}"))?;
        let hardware = &self.client.properties().hardware;
        let strategy = choice.strategy(
            &problem,
            hardware.plane_size_max.max(1),
            hardware.num_streaming_multiprocessors,
        );
        launch_ref(
            &strategy,
            self.client,
            InputBinding::new(self.lhs.clone().binding(), elem),
            InputBinding::new(rhs.clone().binding(), elem),
            self.out.clone().binding(),
            &mut MatmulElems::from_globals(&globals),
        )
        .map_err(|error| format!("{error:?}"))
    }

    /// Waits for everything launched.
    pub fn sync(&self) -> Result<(), String> {
        cubecl::future::block_on(self.client.sync()).map_err(|error| format!("{error:?}"))
    }

    /// Times and checks a candidate whose kernel may still have to be compiled.
    pub fn measure(&self, choice: Choice, expected: &Expected) -> Result<Measured, String> {
        self.launch(choice, true)?;
        self.launch(choice, false)?;
        self.sync()?;
        let (error, first) = self.check(expected)?;

        let once = {
            let start = Instant::now();
            self.launch(choice, false)?;
            self.sync()?;
            start.elapsed().as_secs_f64()
        };
        let repeats = ((2e-3 / once).ceil() as usize).clamp(1, 20);
        let mut samples = Vec::new();
        for _ in 0..12 {
            let start = Instant::now();
            for _ in 0..repeats {
                self.launch(choice, false)?;
            }
            self.sync()?;
            samples.push(start.elapsed().as_secs_f64() / repeats as f64);
        }
        let (_, last) = self.check(expected)?;
        // Whoever comes next must not find right results that it did not write.
        self.launch(choice, true)?;
        samples.sort_by(f64::total_cmp);
        Ok(Measured {
            seconds: (samples[5] + samples[6]) / 2.0,
            fastest: samples[0],
            error,
            equal: first == last,
        })
    }

    /// Reads sampled rows and compares some of their elements.
    fn check(&self, expected: &Expected) -> Result<(f64, Vec<u8>), String> {
        let strides = &self.out.metadata.strides;
        let row_stride = strides[strides.len() - 2];
        let batch_stride = if self.case.batch > 1 { strides[0] } else { 0 };
        let size = self.out.handle.size_in_used();
        let mut bytes = Vec::new();
        let (mut worst, mut squares) = (0f64, 0f64);
        for (i, &(batch, row)) in expected.rows.iter().enumerate() {
            let start = (batch * batch_stride + row * row_stride) as u64 * 4;
            let end = start + self.case.n as u64 * 4;
            let handle = self.out.handle.clone();
            let read = self
                .client
                .read_one(handle.offset_start(start).offset_end(size - end))
                .map_err(|error| format!("{error:?}"))?;
            for (j, &column) in expected.columns.iter().enumerate() {
                let at = column * 4;
                let value =
                    f32::from_le_bytes([read[at], read[at + 1], read[at + 2], read[at + 3]]);
                let wanted = expected.values[i * expected.columns.len() + j];
                let difference = (f64::from(value) - wanted).abs();
                // A NaN compares as no larger: it must not pass.
                worst = if difference.is_nan() {
                    f64::INFINITY
                } else {
                    worst.max(difference)
                };
                squares += wanted * wanted;
            }
            bytes.extend_from_slice(&read);
        }
        let count = (expected.rows.len() * expected.columns.len()) as f64;
        Ok((worst / (squares / count).sqrt(), bytes))
    }
}

/// Some elements of the result, summed in f64 on the host.
pub struct Expected {
    rows: Vec<(usize, usize)>,
    columns: Vec<usize>,
    values: Vec<f64>,
}

impl Expected {
    /// The elements in 64 rows and 16 columns that are spread over the result, edges included.
    pub fn new(case: &Case, precision: Precision, data: &Data) -> Self {
        let Case { batch, m, k, n, .. } = *case;
        let spread = |len: usize, count: usize| -> Vec<usize> {
            let count = count.min(len);
            (0..count)
                .map(|i| {
                    if count == 1 {
                        0
                    } else {
                        i * (len - 1) / (count - 1)
                    }
                })
                .collect()
        };
        let rows: Vec<_> = spread(batch * m, 64)
            .into_iter()
            .map(|row| (row / m, row % m))
            .collect();
        let columns = spread(n, 16);
        let mut values = Vec::new();
        for &(b, i) in &rows {
            for &j in &columns {
                let sum = (0..k).map(|c| {
                    let left = match case.layout {
                        Layout::Tn => (b * k + c) * m + i,
                        _ => (b * m + i) * k + c,
                    };
                    let right = match case.layout {
                        Layout::Nt => (b * n + j) * k + c,
                        _ => (b * k + c) * n + j,
                    };
                    data.value(precision, left) * data.value(precision, Data::RHS + right)
                });
                values.push(sum.sum());
            }
        }
        Self {
            rows,
            columns,
            values,
        }
    }
}
