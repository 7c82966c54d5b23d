#!/usr/bin/env bash
# The public API of every published crate, as it is when the workspace is built with its default
# features, against the snapshots:
#   tests/public_api/run.sh check     fails if one of them is another
#   tests/public_api/run.sh update    writes the snapshots anew
#   tests/public_api/run.sh can       whether this toolchain's rustdoc writes JSON of the version
#                                     that is read here
set -euo pipefail
cd "$(dirname "$0")/../.."

own=$PWD/tests/public_api
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$target/public-api
# Of rustdoc's JSON, as the version of public-api in Cargo.toml reads it: Rust 1.93 to 1.95 write it.
format=57

mkdir -p "$work"
printf '//! Nothing.\n' >"$work/nothing.rs"
found=none
if "$own/rustdoc" -Z unstable-options --output-format json --out-dir "$work" "$work/nothing.rs" \
    2>"$work/nothing.log"; then
    found=$(grep -o '"format_version":[0-9]*' "$work/nothing.json" | grep -o '[0-9]*')
fi
if [ "$found" != "$format" ]; then
    echo "rustdoc writes JSON of version $found; version $format is read"
    exit 3
fi
case ${1:-} in
can) exit 0 ;;
check | update) ;;
*)
    echo "check, update or can?"
    exit 2
    ;;
esac

mapfile -t published < <(.ci/published)
RUSTDOC=$own/rustdoc RUSTDOCFLAGS="-Z unstable-options --output-format json" \
    cargo doc --locked --quiet --lib --no-deps --target-dir "$target" \
    "${published[@]/#/--package=}"
cargo build --locked --quiet --manifest-path "$own/Cargo.toml" --target-dir "$target"

rm -rf "$work/snapshots"
mkdir -p "$work/snapshots"
for crate in "${published[@]}"; do
    "$target/debug/dacapo-public-api" "$target/doc/${crate//-/_}.json" >"$work/snapshots/$crate.txt"
done
if [ "$1" = update ]; then
    rm -rf "$own/snapshots"
    cp -r "$work/snapshots" "$own/snapshots"
elif ! diff -ru "$own/snapshots" "$work/snapshots"; then
    echo
    echo "The public API is another. If it is meant to be: tests/public_api/run.sh update, and"
    echo "say in CHANGELOG.md what changes for those who use it."
    exit 1
fi
