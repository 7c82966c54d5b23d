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

# take KIND: copies the executables of that kind of which cargo's messages tell, without symbols:
# the program, the benchmarks, and into tests/ the tests by package and name.
take() {
    grep '"reason":"compiler-artifact"' "$programs/messages" | grep "\"kind\":\[\"$1\"\]" |
        sed -nE 's/.*"manifest_path":"[^"]*\/([^/"]+)\/Cargo\.toml".*"target":\{[^}]*"name":"([^"]+)".*"executable":"([^"]+)".*/\1 \2 \3/p' |
        while read -r package name path; do
            case $1:$name in
                bin:dacapo) to=$name ;;
                bin:*) to=benches/$name ;;
                lib:*) to=tests/$package-unit ;;
                *) to=tests/$package-$name ;;
            esac
            install -D "$path" "$programs/$to"
            strip "$programs/$to"
        done
}

# All in one selection, so that what they depend on is built once.
packages=(dacapo dacapo-benches dacapo-kernels dacapo-ops dacapo-dora dacapo-optim)
select=()
for package in "${packages[@]}"; do
    select+=(-p "$package" --features "$package/cuda")
done
build=(--release --locked "${select[@]}" --message-format=json-render-diagnostics)
echo "building the program, the benchmarks and the tests ..."
cargo build "${build[@]}" --bins --test adamw_step --test dora_merge --test dropout_mask \
    --test state_hash --test probe --test blocks --test f32_product --test tensor_core_product \
    --test planned --test fused --test kernels --test clip_on_gpu > "$programs/messages"
take bin
take test
# Every kernel of the plan by itself is among the unit tests.
cargo test "${build[@]}" --no-run --lib > "$programs/messages"
grep '"name":"dacapo_ops"' "$programs/messages" > "$programs/ops"
mv "$programs/ops" "$programs/messages"
take lib
rm "$programs/messages"

mkdir -p "$folder/python"
rm -f "$folder/programs.tar.xz"
tar -C "$programs" -cf - . | xz -9 -T2 > "$folder/programs.tar.xz"
install benches/cuda/run.sh "$folder/run.sh"
install benches/cuda_exact.sh "$folder/cuda_exact.sh"
for file in benches/python/*.py; do
    install -m 644 "$file" "$folder/python/"
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
