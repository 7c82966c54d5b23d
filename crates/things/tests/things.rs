//! The behavioural data of THINGS, which is not part of this repository: the test is
//! skipped where it is absent. It looks for it in the folder `DACAPO_THINGS`, or else in
//! `shared/data/things` beside the checkout.

use std::{
    env,
    path::{Path, PathBuf},
};

use dacapo_things::Targets;

#[test]
fn published_targets_are_refused() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/things");
    let folder = env::var_os("DACAPO_THINGS").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        println!("skipped: there is no {}", folder.display());
        return;
    }
    for (file, len, first) in [
        (
            "spose_embedding66d_rescaled_1806train.csv",
            1806,
            "aardvark_01b.jpg",
        ),
        (
            "spose_embedding66d_rescaled_48val_reordered.csv",
            48,
            "pizza_01b.jpg",
        ),
    ] {
        let targets = Targets::read_things_csv(folder.join(file)).expect("targets");
        assert_eq!((targets.len(), targets.names()[0].as_str()), (len, first));
        assert_eq!(targets.values().len(), len * Targets::DIMENSIONS);
    }
}
