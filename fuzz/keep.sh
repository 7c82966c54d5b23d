#!/usr/bin/env bash
# Chooses from what fuzz/run.sh has found, and from what was kept before, the files that the
# tests read besides the seeds: a small set that reaches every branch that any of them reaches,
# or of a larger set small and large ones, at most 150 files and 300000 bytes a target.
#   fuzz/keep.sh [TARGET...]
set -euo pipefail
cd "$(dirname "$0")"

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(checkpoint safetensors pth config csv mat peft tokenizer bert)
fi
for target in "${targets[@]}"; do
    chosen=work/chosen/$target
    rm -rf "$chosen"
    mkdir -p "$chosen" "work/corpus/$target" "corpus/$target"
    cp "work/seeds/$target/"* "$chosen"
    cargo fuzz run --sanitizer none "$target" "$chosen" "corpus/$target" "work/corpus/$target" -- \
        -set_cover_merge=1 -use_counters=0 -max_len=16384 >"work/$target-keep.log" 2>&1
    for seed in "work/seeds/$target/"*; do
        rm "$chosen/${seed##*/}"
    done
    all=$(find "$chosen" -type f | wc -l)
    rm -rf "corpus/$target"
    mkdir -p "corpus/$target"
    files=0 bytes=0
    while read -r size file; do
        if [ $((bytes + size)) -gt 300000 ]; then
            break
        fi
        cp "$chosen/$file" "corpus/$target/$file"
        files=$((files + 1)) bytes=$((bytes + size))
    done < <(find "$chosen" -type f -printf '%s %f\n' | sort -n |
        awk -v all="$all" -v most=150 \
            'all <= most || int(NR * most / all) != int((NR - 1) * most / all)')
    echo "$target: $files files of $all, $bytes bytes"
done
