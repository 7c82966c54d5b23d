#!/usr/bin/env bash
# Fuzzes every target, or those that are named, for so many seconds each (60), one after
# another, and prints a table:
#   fuzz/run.sh [SECONDS] [TARGET...]
# What is found lies in fuzz/work/corpus/TARGET, what fails in fuzz/artifacts/TARGET.
set -euo pipefail
cd "$(dirname "$0")"

seconds=60
if [[ ${1:-} =~ ^[0-9]+$ ]]; then
    seconds=$1
    shift
fi
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(checkpoint safetensors pth config csv mat peft tokenizer bert)
fi

(cd .. && cargo run --quiet --package dacapo-fuzzing --bin fuzz-seeds -- fuzz/work/seeds)
cargo fuzz build --sanitizer none

# The last match of a pattern in a file, or a dash.
last() {
    grep --text --only-matching --perl-regexp "$1" "$2" | tail -n 1 | grep . || echo -
}

table="target executions seconds edges features files failures"
failed=0
for target in "${targets[@]}"; do
    found=work/corpus/$target
    log=work/$target.log
    mkdir -p "$found" "corpus/$target" "artifacts/$target"
    touch work/begin
    cargo fuzz run --sanitizer none "$target" "$found" "corpus/$target" "work/seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -max_len=16384 -print_final_stats=1 \
        >"$log" 2>&1 || true
    failures=$(find "artifacts/$target" -type f -newer work/begin | wc -l)
    failed=$((failed + failures))
    table+=$'\n'"$target $(last 'number_of_executed_units: *\K[0-9]+' "$log")"
    table+=" $(last 'runs in \K[0-9]+' "$log") $(last ' cov: \K[0-9]+' "$log")"
    table+=" $(last ' ft: \K[0-9]+' "$log") $(find "$found" -type f | wc -l) $failures"
done
column -t <<<"$table"
exit $((failed > 0))
