#!/usr/bin/env bash
# Builds the program, the kernels' tests and the benchmarks for CUDA and packs them, the PyTorch
# peers and `run.sh` into one folder, to be copied to a machine with an NVIDIA GPU that needs
# neither Rust nor a network. Needs no GPU and no CUDA toolkit itself.
#
#   benches/cuda/pack.sh [FOLDER]         default: target/cuda-bench
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=${1:-target/cuda-bench}
limit_mb=60

programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
mkdir -p "$programs/tests" "$programs/benches"

# executables KIND: "NAME PATH" of the executables of that kind in cargo's JSON messages.
executables() {
    grep '"reason":"compiler-artifact"' | grep "\"kind\":\[\"$1\"\]" |
        sed -nE 's/.*"target":\{[^}]*"name":"([^"]+)".*"executable":"([^"]+)".*/\1 \2/p'
}

# take FOLDER [PREFIX]: copies them there, without symbols.
take() {
    local name path
    while read -r name path; do
        install -D "$path" "$programs/$1/${2:-}$name"
        strip "$programs/$1/${2:-}$name"
    done
}

echo "building the program and the benchmarks ..."
cargo build --release --locked -p dacapo -p dacapo-benches --bins \
    --features dacapo/cuda,dacapo-benches/cuda --message-format=json-render-diagnostics > "$programs/messages"
executables bin < "$programs/messages" | grep -E '^dacapo ' | take .
executables bin < "$programs/messages" | grep -vE '^dacapo ' | take benches || true

echo "building the kernels' tests ..."
cargo test --release --locked --no-run -p dacapo-kernels --features cuda \
    --message-format=json-render-diagnostics > "$programs/messages"
executables test < "$programs/messages" | take tests
for crate in dora adamw; do
    cargo test --release --locked --no-run -p "dacapo-$crate" --features "dacapo-$crate/cuda" \
        --test kernels --message-format=json-render-diagnostics > "$programs/messages"
    executables test < "$programs/messages" | take tests "$crate-"
done
rm "$programs/messages"

mkdir -p "$folder/python"
rm -f "$folder/programs.tar.xz"
tar -C "$programs" -cf - . | xz -9 -T2 > "$folder/programs.tar.xz"
install benches/cuda/run.sh "$folder/run.sh"
install benches/cuda_exact.sh "$folder/cuda_exact.sh"
for file in peerlib merge_peers adamw_peers vit_l_step collect; do
    install -m 644 "benches/python/$file.py" "$folder/python/$file.py"
done
{
    git describe --always --dirty --abbrev=12 2> /dev/null || echo "no git"
    (cd "$programs" && find . -type f | sort | sed 's/^\.\///')
} > "$folder/MANIFEST"

size=$(du -sm "$folder" | cut -f1)
(cd "$programs" && find . -type f -printf '%s %P\n' | sort -rn | awk '{ printf "%6.1f MB  %s\n", $1 / 1e6, $2 }')
echo "$folder: $size MB packed"
if [ "$size" -ge "$limit_mb" ]; then
    echo "more than $limit_mb MB: leave something out" >&2
    exit 1
fi
