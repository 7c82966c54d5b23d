use dacapo_rng::Stream;

type Colour = [f64; 3];

struct Shape {
    centre: [f64; 2],
    radii: [f64; 2],
    skew: f64,
    round: bool,
    colour: Colour,
}

/// A picture `[side, side, 3]` in RGB that depends on `name` and `side` alone: a few
/// smooth coloured shapes on a gradient.
///
/// It takes the place of a real image where that is not at hand, to try the machinery.
/// It says nothing about the object of that name.
pub fn stand_in(name: &str, side: usize) -> Vec<u8> {
    let mut draws = Stream::named(0, &format!("stand-in {name}"));
    let corners: [Colour; 4] = std::array::from_fn(|_| colour(&mut draws));
    let count = between(&mut draws, 3.0, 7.0) as usize;
    let shapes: Vec<Shape> = (0..count).map(|_| Shape::draw(&mut draws)).collect();
    let place = |index: usize| (index as f64 + 0.5) / side as f64;
    let mut pixels = Vec::with_capacity(3 * side * side);
    for y in (0..side).map(place) {
        for x in (0..side).map(place) {
            let mut pixel: Colour = std::array::from_fn(|channel| {
                let [a, b, c, d] = corners.map(|corner| corner[channel]);
                let (top, bottom) = (a + (b - a) * x, c + (d - c) * x);
                top + (bottom - top) * y
            });
            for shape in &shapes {
                let cover = shape.cover(x, y);
                for (value, colour) in pixel.iter_mut().zip(shape.colour) {
                    *value += (colour - *value) * cover;
                }
            }
            pixels.extend(pixel.map(|value| (value + 0.5) as u8));
        }
    }
    pixels
}

fn between(draws: &mut Stream, low: f64, high: f64) -> f64 {
    low + (high - low) * draws.uniform_f64()
}

fn colour(draws: &mut Stream) -> Colour {
    std::array::from_fn(|_| between(draws, 0.0, 255.0))
}

impl Shape {
    fn draw(draws: &mut Stream) -> Self {
        Self {
            centre: [between(draws, 0.2, 0.8), between(draws, 0.2, 0.8)],
            radii: [between(draws, 0.08, 0.35), between(draws, 0.08, 0.35)],
            skew: between(draws, -1.0, 1.0),
            round: draws.uniform_f64() < 0.6,
            colour: colour(draws),
        }
    }

    /// How much of the shape is over a place: 1 inside, 0 outside, less and less at its edge.
    fn cover(&self, x: f64, y: f64) -> f64 {
        let v = (y - self.centre[1]) / self.radii[1];
        let u = (x - self.centre[0]) / self.radii[0] + self.skew * v;
        let distance = match self.round {
            true => u * u + v * v,
            false => (u * u).max(v * v),
        };
        ((1.0 - distance) * 3.0).clamp(0.0, 1.0)
    }
}
