use std::fmt::Write;

/// A table of targets as THINGS has them: 66 made-up values for each of `count` images from `first`
/// on, called what `name` says.
pub fn target_table(first: usize, count: usize, name: impl Fn(usize) -> String) -> String {
    let mut text = String::from(",image_name");
    for dimension in 0..66 {
        write!(text, ",{dimension}").expect("a string takes everything");
    }
    for image in first..first + count {
        write!(text, "\n{image},{}", name(image)).expect("a string takes everything");
        for dimension in 0..66 {
            let value = (image * 37 + dimension * 11) % 23;
            write!(text, ",{value}.5").expect("a string takes everything");
        }
    }
    text.push('\n');
    text
}

/// A made-up matrix of dissimilarities (CSV): symmetric, with zeros on the diagonal.
pub fn dissimilarities(n: usize) -> String {
    let cell = |i: usize, j: usize| match i == j {
        true => "0".to_owned(),
        false => format!("0.{}", 1 + (i + j) * i.abs_diff(j) % 9),
    };
    let row = |i| (0..n).map(|j| cell(i, j)).collect::<Vec<_>>().join(",");
    (0..n).map(row).collect::<Vec<_>>().join("\n")
}
