#!/usr/bin/env bash
# How much a checkpoint after every step slows the default run: whole processes, alternating
# (without, with), and the ratios of the medians and of the fastest. On a machine that others
# use, too, the fastest says more.
#
#   benches/checkpoint_every_step.sh [PAIRS] [PROGRAM] [ARGUMENT OF train]...
set -euo pipefail

pairs=${1:-5}
root=$(cd "$(dirname "$0")/.." && pwd)
program=${2:-$root/target/release/dacapo}
shift $(($# < 2 ? $# : 2))
if [ ! -x "$program" ]; then
    (cd "$root" && cargo build --release)
fi

# Beside the build, so on the same disk and in no memory file system.
folder=$(mktemp -d "$root/target/checkpoint-every-step.XXXXXX")
trap 'rm -rf "$folder"' EXIT

# once NAME EVERY_STEPS [ARGUMENT...]: appends the seconds of one run to $folder/NAME.seconds
once() {
    local name=$1 every=$2 start end
    shift 2
    rm -rf "$folder/run"
    start=$(date +%s%N)
    "$program" train --out "$folder/run" --set "checkpoint.every_steps=$every" "$@" \
        > "$folder/$name.out"
    end=$(date +%s%N)
    awk -v ns=$((end - start)) 'BEGIN { printf "%.3f\n", ns / 1e9 }' >> "$folder/$name.seconds"
}

median() {
    sort -n "$1" | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

"$program" train --out "$folder/warm-up" --stop-after-step 20 > /dev/null
for ((i = 1; i <= pairs; i++)); do
    once without 0 "$@"
    once with 1 "$@"
    printf 'pair %d: without %s s, with %s s\n' "$i" \
        "$(tail -n 1 "$folder/without.seconds")" "$(tail -n 1 "$folder/with.seconds")"
done

# The same bits, or the comparison means nothing.
for name in without with; do
    grep '^  state' "$folder/$name.out" > "$folder/$name.state"
done
cmp "$folder/without.state" "$folder/with.state"

report() {
    awk -v what="$1" -v a="$2" -v b="$3" \
        'BEGIN { printf "%s: without %.3f s, with %.3f s, ratio %.4f\n", what, a, b, b / a }'
}
report "median of $pairs" "$(median "$folder/without.seconds")" "$(median "$folder/with.seconds")"
report "fastest of $pairs" "$(sort -n "$folder/without.seconds" | head -n 1)" \
    "$(sort -n "$folder/with.seconds" | head -n 1)"
