#!/usr/bin/env bash
# Is a training run on a GPU exact to the bit? Every case is trained three times in fresh
# processes, once of them stopped at several steps and resumed in further processes; `dacapo verify`
# compares the three run folders. Prints a table. Needs an NVIDIA GPU and a program built with
# `cargo build --release --features cuda`.
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
    case_ "dropout-$precision" "50" --epochs 3 --set adapt.dropout=0.1 --set model.vit.dropout=0.1 \
        --set "run.precision=$precision"
done
case_ clip-hba "50" --epochs 3 --set adapt.flavour=clip-hba
case_ dropout "50" --epochs 3 --set adapt.dropout=0.1 --set model.vit.dropout=0.1
case_ clip-hba-dropout "50" --epochs 3 --set adapt.flavour=clip-hba --set adapt.dropout=0.1
case_ accumulation "20" --epochs 3 --set train.accumulation=2
case_ full "50" --epochs 3 --set adapt.mode=full --set model.base=random --set early_stopping.enabled=false
case_ conv-net "50" --epochs 3 --set model.kind=conv-net --set model.base=random --set adapt.mode=full
for name in "${wanted[@]}"; do
    [[ -v stops[$name] ]] || { echo "$name is no case; there are: ${known[*]}" >&2; exit 2; }
done

# run NAME KIND: one of the three runs of a case, its log and its seconds beside it.
run() {
    local name=$1 kind=$2 out=$folder/$1/$2 start=$SECONDS
    local arguments=(--device "$device")
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

running=0
for name in "${names[@]}"; do
    mkdir "$folder/$name"
    for kind in first second stopped; do
        if [ "$running" -ge "${JOBS:-4}" ]; then
            wait -n
            running=$((running - 1))
        fi
        run "$name" "$kind" &
        running=$((running + 1))
    done
done
wait

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

"$program" --version
version=$("$program" --version)
failed=0 rows=()
for name in "${names[@]}"; do
    two=$(outcome "$name" second)
    stopped=$(outcome "$name" stopped)
    [ "$two $stopped" = "equal equal" ] || failed=1
    steps=$(tail -n 1 "$folder/$name/first/history.csv" 2> /dev/null | cut -d, -f2)
    seconds=$(cat "$folder/$name/first.seconds" 2> /dev/null)
    state=$("$program" verify "$folder/$name/first" "$folder/$name/first" 2> /dev/null | grep -oE '[0-9a-f]{64}' | head -n 1)
    printf '%-17s %5s steps %4s s  two processes: %-10s stopped at %-10s %-10s %s\n' \
        "$name" "${steps:-?}" "${seconds:-?}" "$two" "${stops[$name]}:" "$stopped" "${state:0:16}"
    rows+=("$(printf '{"case": "%s", "settings": "%s", "steps": %s, "seconds": %s, "two_processes": "%s", "stopped_at": "%s", "stopped_and_resumed": "%s", "state": "%s"}' \
        "$name" "${settings[$name]}" "${steps:-null}" "${seconds:-null}" "$two" "${stops[$name]}" "$stopped" "$state")")
done
identity=$("$program" inspect "$folder/${names[0]}/first" 2> /dev/null | grep -E '^ *(backend|device|precision|kernel_plan|numerics)')
echo "$identity"
if [ -n "${JSON:-}" ]; then
    {
        printf '{"part": "exact", "program": "%s", "device": "%s", "jobs": %s,\n "identity": [' "$version" "$device" "${JOBS:-4}"
        echo "$identity" | sed -E 's/^ *//; s/ *$//; s/  +/: /; s/["\\]//g; s/.*/"&"/' | paste -sd, | tr -d '\n'
        printf '],\n "rows": [\n'
        printf '%s\n' "${rows[@]}" | sed '$!s/$/,/'
        printf ']}\n'
    } > "$JSON"
fi
exit $failed
