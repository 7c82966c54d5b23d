#!/usr/bin/env bash
# Is a training run on a GPU exact to the bit? Trains, stops, resumes and compares in fresh
# processes, and prints a table. Needs an NVIDIA GPU and a program built with
# `cargo build --release --features cuda`.
#
#   benches/cuda_exact.sh [PROGRAM] [DEVICE] [CASE...]
#
# Every process compiles its kernels anew, which takes about 20 seconds.
set -uo pipefail
program=${1:-target/release/dacapo} device=${2:-cuda:0}
shift $(($# < 2 ? $# : 2))
cases=("$@")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# case NAME "STEPS TO STOP AT" SETTINGS...
case_() {
    local name=$1 stops=$2
    shift 2
    if [ ${#cases[@]} -gt 0 ] && [[ " ${cases[*]} " != *" $name "* ]]; then
        return
    fi
    local settings=(--device "$device" "$@")
    local start=$SECONDS
    "$program" train --out "$folder/$name-a" "${settings[@]}" > "$folder/log" 2>&1 || { cat "$folder/log"; failed=1; return; }
    local seconds=$((SECONDS - start))
    "$program" train --out "$folder/$name-b" "${settings[@]}" > "$folder/log" 2>&1 || { cat "$folder/log"; failed=1; return; }
    local two="different" halves="equal"
    "$program" verify "$folder/$name-a" "$folder/$name-b" > "$folder/log" && two="equal" || { cat "$folder/log"; failed=1; }
    for stop in $stops; do
        "$program" train --out "$folder/$name-$stop" --stop-after-step "$stop" "${settings[@]}" > "$folder/log" 2>&1
        "$program" resume "$folder/$name-$stop" > "$folder/log" 2>&1 || { cat "$folder/log"; failed=1; }
        "$program" verify "$folder/$name-a" "$folder/$name-$stop" > "$folder/log" || { cat "$folder/log"; halves="different"; failed=1; }
    done
    local steps
    steps=$(tail -n 1 "$folder/$name-a/history.csv" | cut -d, -f2)
    printf '%-14s %6s steps  %4s s  two processes %-10s stopped at %-12s %s\n' \
        "$name" "$steps" "$seconds" "$two" "$stops" "$halves"
}

"$program" --version
case_ default "1 100 333" --epochs 15
case_ clip-hba "50" --epochs 3 --set adapt.flavour=clip-hba
case_ dropout "50" --epochs 3 --set adapt.dropout=0.1 --set model.vit.dropout=0.1
case_ accumulation "20" --epochs 3 --set train.accumulation=2
case_ full "50" --epochs 3 --set adapt.mode=full --set model.base=random --set early_stopping.enabled=false
case_ conv-net "50" --epochs 3 --set model.kind=conv-net --set model.base=random --set adapt.mode=full
"$program" inspect "$(ls -d "$folder"/*-a | head -n 1)" | grep -E '^    (backend|device|precision|kernel_plan|numerics)'
exit $failed
