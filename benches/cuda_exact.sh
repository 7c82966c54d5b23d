#!/usr/bin/env bash
# Is a training run on a GPU exact to the bit? Every case is trained three times in fresh
# processes, once of them stopped at several steps and resumed in further processes; `dacapo verify`
# compares the three run folders. Prints a table, a line as soon as a case is done. Needs an NVIDIA
# GPU and a program built with `cargo build --release --features cuda`.
#
#   benches/cuda_exact.sh [PROGRAM] [DEVICE] [CASE...]
#
# Environment: JOBS, how many runs share the GPU at a time (default 4: one run cannot fill a GPU);
# JSON, a file to write the results to.
set -uo pipefail
program=${1:-target/release/dacapo} device=${2:-cuda:0}
shift $(($# < 2 ? $# : 2))
wanted=("$@")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

names=() known=()
declare -A stops settings

# case NAME "STEPS TO STOP AT" SETTINGS...
case_() {
    local name=$1
    known+=("$name")
    if [ ${#wanted[@]} -gt 0 ] && [[ " ${wanted[*]} " != *" $name "* ]]; then
        return
    fi
    names+=("$name")
    stops[$name]=$2
    shift 2
    settings[$name]=$*
}

case_ default "1 100 333" --epochs 15
case_ vit-6 "50 200" --epochs 9 --set model.base=random --set early_stopping.enabled=false \
    --set model.vit.blocks=6 --set model.vit.d_model=128 --set model.vit.d_mlp=512
for precision in tf32 bf16; do
    case_ "default-$precision" "1 100 333" --epochs 15 --set "run.precision=$precision"
    case_ "vit-6-$precision" "50 200" --epochs 9 --set model.base=random \
        --set early_stopping.enabled=false --set model.vit.blocks=6 --set model.vit.d_model=128 \
        --set model.vit.d_mlp=512 --set "run.precision=$precision"
    # Wide enough for the plan's kernels of large products.
    case_ "vit-wide-$precision" "50" --epochs 3 --set model.base=random \
        --set early_stopping.enabled=false --set model.vit.blocks=4 --set model.vit.d_model=256 \
        --set model.vit.d_mlp=2048 --set "run.precision=$precision"
    case_ "dropout-$precision" "50" --epochs 3 --set adapt.dropout=0.1 --set model.vit.dropout=0.1 \
        --set "run.precision=$precision"
done
case_ clip-hba "50" --epochs 3 --set adapt.flavour=clip-hba
case_ dropout "50" --epochs 3 --set adapt.dropout=0.1 --set model.vit.dropout=0.1
case_ clip-hba-dropout "50" --epochs 3 --set adapt.flavour=clip-hba --set adapt.dropout=0.1
case_ accumulation "20" --epochs 3 --set train.accumulation=2
case_ clip-hba-dropout-bf16 "50" --epochs 3 --set adapt.flavour=clip-hba --set adapt.dropout=0.1 \
    --set run.precision=bf16
case_ clip-norm "50" --epochs 3 --set optimizer.clip_norm=0.1
case_ full "50" --epochs 3 --set adapt.mode=full --set model.base=random --set early_stopping.enabled=false
case_ conv-net "50" --epochs 3 --set model.kind=conv-net --set model.base=random --set adapt.mode=full
for name in "${wanted[@]}"; do
    [[ -v stops[$name] ]] || { echo "$name is no case; there are: ${known[*]}" >&2; exit 2; }
done

# run NAME KIND: one of the three runs of a case, its log and its seconds beside it.
run() {
    local name=$1 kind=$2 out=$folder/$1/$2 start=$SECONDS
    local arguments=(--device "$device")
    # Kernels compiled anew must give the bits of kept ones.
    if [ "$name" = default ] && [ "$kind" = second ]; then
        arguments+=(--no-kernel-cache)
    fi
    # Settings hold no blanks.
    # shellcheck disable=SC2206
    arguments+=(${settings[$name]})
    {
        if [ "$kind" = stopped ]; then
            local first=1 stop
            for stop in ${stops[$name]}; do
                if [ "$first" = 1 ]; then
                    "$program" train --out "$out" --stop-after-step "$stop" "${arguments[@]}" || return
                else
                    "$program" resume "$out" --stop-after-step "$stop" || return
                fi
                first=0
            done
            "$program" resume "$out"
        else
            "$program" train --out "$out" "${arguments[@]}"
        fi
    } > "$out.log" 2>&1 || return
    echo $((SECONDS - start)) > "$out.seconds"
}

# outcome NAME KIND: equal, different, or what kept it from running.
outcome() {
    local at=$folder/$1
    local kind
    for kind in first "$2"; do
        [ -e "$at/$kind.seconds" ] || { sed 's/^/    /' "$at/$kind.log" >&2; echo "failed"; return; }
    done
    if "$program" verify "$at/first" "$at/$2" > "$at/$2.verify" 2>&1; then
        echo equal
    else
        sed 's/^/    /' "$at/$2.verify" >&2
        echo different
    fi
}

# report NAME: one line of the table, and the file JSON as far as it is known.
failed=0 rows=() identity=
report() {
    local name=$1 two stopped steps seconds state
    two=$(outcome "$name" second)
    stopped=$(outcome "$name" stopped)
    [ "$two $stopped" = "equal equal" ] || failed=1
    steps=$(tail -n 1 "$folder/$name/first/history.csv" 2> /dev/null | cut -d, -f2)
    seconds=$(cat "$folder/$name/first.seconds" 2> /dev/null)
    state=$("$program" verify "$folder/$name/first" "$folder/$name/first" 2> /dev/null | grep -oE '[0-9a-f]{64}' | head -n 1)
    printf '%-22s %5s steps %4s s  two processes: %-10s stopped at %-10s %-10s %s\n' \
        "$name" "${steps:-?}" "${seconds:-?}" "$two" "${stops[$name]}:" "$stopped" "${state:0:16}"
    rows+=("$(printf '{"case": "%s", "settings": "%s", "steps": %s, "seconds": %s, "two_processes": "%s", "stopped_at": "%s", "stopped_and_resumed": "%s", "state": "%s"}' \
        "$name" "${settings[$name]}" "${steps:-null}" "${seconds:-null}" "$two" "${stops[$name]}" "$stopped" "$state")")
    if [ -z "$identity" ]; then
        identity=$("$program" inspect "$folder/$name/first" 2> /dev/null | grep -E '^ *(backend|device|kernel_plan|numerics)')
        echo "$identity"
    fi
    [ -n "${JSON:-}" ] || return
    {
        printf '{"part": "exact", "program": "%s", "device": "%s", "jobs": %s,\n "identity": [' "$version" "$device" "$jobs"
        echo "$identity" | sed -E 's/^ *//; s/ *$//; s/  +/: /; s/["\\]//g; s/.*/"&"/' | paste -sd, | tr -d '\n'
        printf '],\n "rows": [\n'
        printf '%s\n' "${rows[@]}" | sed '$!s/$/,/'
        printf ']}\n'
    } > "$JSON.partial" && mv "$JSON.partial" "$JSON"
}

# finish: waits for one run, and reports the cases whose runs have all ended.
running=0 open=()
finish() {
    local name kind left=()
    wait -n
    running=$((running - 1))
    for name in "${open[@]}"; do
        for kind in first second stopped; do
            [ -e "$folder/$name/$kind.ended" ] || { left+=("$name"); continue 2; }
        done
        report "$name"
    done
    open=("${left[@]}")
}

version=$("$program" --version)
jobs=${JOBS:-4}
echo "$version"
# Kernels that every case needs are compiled and kept once, not by all the first runs at a time.
"$program" train --out "$folder/compile" --device "$device" --stop-after-step 2 > "$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; exit 2; }
for name in "${names[@]}"; do
    mkdir "$folder/$name"
    open+=("$name")
    for kind in first second stopped; do
        [ "$running" -lt "$jobs" ] || finish
        { run "$name" "$kind"; touch "$folder/$name/$kind.ended"; } &
        running=$((running + 1))
    done
done
while [ "$running" -gt 0 ]; do finish; done
exit $failed
