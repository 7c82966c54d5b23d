use std::path::Path;

/// The name of the object that an image shows, as a phrase: `air conditioner` of
/// `air_conditioner_01b.jpg`. An image's number and its letter are left out, and a number that tells
/// objects of one name apart is not (`bat1`).
pub fn object_name(image: &str) -> String {
    let stem = Path::new(image).file_stem().unwrap_or_default();
    let stem = stem.to_string_lossy();
    let object = match stem.rsplit_once('_') {
        Some((object, number)) if number.starts_with(|c: char| c.is_ascii_digit()) => object,
        _ => &stem,
    };
    object.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::object_name;

    #[test]
    fn number_of_an_image_is_taken_for_its_object() {
        for (image, object) in [
            ("aardvark_01b.jpg", "aardvark"),
            ("air_conditioner_01b.jpg", "air conditioner"),
            ("bat1_05s.jpg", "bat1"),
            ("bow_tie.png", "bow tie"),
            ("aardvark", "aardvark"),
            ("", ""),
        ] {
            assert_eq!(object_name(image), object, "{image}");
        }
    }
}
