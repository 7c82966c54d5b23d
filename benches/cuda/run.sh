#!/usr/bin/env bash
# Runs what `pack.sh` packed: is it right, is it exact, is it fast? Writes JSON for every part,
# prints one table last.
#
#   ./run.sh [-o FOLDER] [PART...]        default: all parts but matmul and profile, into results/
#
#   tests      the tests of the kernels and of what runs them
#   sanitizer  the kernels' tests under compute-sanitizer (memcheck; other tools: SANITIZER="memcheck racecheck")
#   numbers    the first steps of runs beside those of the CPU: does the GPU compute the same?
#   exact      runs of `dacapo train` stopped, resumed and compared bit for bit
#   matmul     every matrix product strategy (to choose from; slow)
#   profile    where a step of ViT-L/14 goes, kernel by kernel
#   merge adamw step epoch checkpoint growth
#              the tables of python/tables.py, ROUNDS (3) rounds each beside their peers
#
# Needs an NVIDIA driver and a CUDA toolkit (CUDA_PATH, or /usr/local/cuda): NVRTC and the headers.
# The tables need python3 with PyTorch; transformers, PEFT, Accelerate, Lightning and matplotlib for
# their rows and plots. What is missing is named and
# skipped. Every part ends within its limit (seconds; LIMIT_MERGE=300 and so on change it).
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

out=results
if [ "${1:-}" = -o ]; then
    out=${2:?-o needs a folder}
    shift 2
fi
tables=(merge adamw step epoch checkpoint growth)
all=(tests sanitizer numbers exact matmul profile "${tables[@]}")
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(tests sanitizer numbers exact "${tables[@]}")
for part in "${parts[@]}"; do
    [[ " ${all[*]} " == *" $part "* ]] || { echo "$part is no part; there are: ${all[*]}" >&2; exit 2; }
done
declare -A limit=(
    [tests]=${LIMIT_TESTS:-600} [sanitizer]=${LIMIT_SANITIZER:-420} [exact]=${LIMIT_EXACT:-240}
    [numbers]=${LIMIT_NUMBERS:-300}
    [matmul]=${LIMIT_MATMUL:-100} [profile]=${LIMIT_PROFILE:-60} [merge]=${LIMIT_MERGE:-900}
    [adamw]=${LIMIT_ADAMW:-200} [step]=${LIMIT_STEP:-1500} [epoch]=${LIMIT_EPOCH:-1200}
    [checkpoint]=${LIMIT_CHECKPOINT:-300} [growth]=${LIMIT_GROWTH:-600}
)
mkdir -p "$out"
out=$(cd "$out" && pwd)

# ---- what there is ----

command -v nvidia-smi > /dev/null && nvidia-smi -L 2> /dev/null | grep -q GPU ||
    { echo "no NVIDIA GPU: nvidia-smi is missing or shows none" >&2; exit 2; }
if [ -z "${CUDA_PATH:-}" ]; then
    for path in /usr/local/cuda /opt/cuda; do
        [ -d "$path" ] && { export CUDA_PATH=$path; break; }
    done
fi
[ -f "${CUDA_PATH:-/nowhere}/include/cuda_fp16.h" ] ||
    { echo "no CUDA headers: set CUDA_PATH to a CUDA toolkit" >&2; exit 2; }
export LD_LIBRARY_PATH=$CUDA_PATH/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
python=$(command -v python3)
torch=
[ -z "$python" ] || "$python" -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null && torch=$python
sanitizer=$(command -v compute-sanitizer || ls "$CUDA_PATH"/bin/compute-sanitizer 2> /dev/null)

bin=$here/programs
if [ ! -d "$bin" ] || [ "$here/programs.tar.xz" -nt "$bin/.unpacked" ]; then
    mkdir -p "$bin"
    tar -C "$bin" -xJf "$here/programs.tar.xz" || { echo "cannot unpack programs.tar.xz (needs xz)" >&2; exit 2; }
    touch "$bin/.unpacked"
fi

# Compiled kernels are kept for the processes that follow, and nowhere else. The tests read this
# file from the working folder; the benchmarks are told; `dacapo` uses the user's cache folder.
work=$out/work
mkdir -p "$work"
printf '[compilation]\ncache = { file = "%s/kernels" }\n' "$work" > "$work/cubecl.toml"
export XDG_CACHE_HOME=$work
cd "$work" || exit 2

{
    cat "$here/MANIFEST"
    date -u +%FT%TZ
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm --format=csv,noheader | head -n 1
} > "$out/machine.txt"
head -n 1 "$out/machine.txt"
tail -n 1 "$out/machine.txt"
: > "$out/parts.tsv"

# ---- steps ----

part='' part_start=0
left() { echo $((limit[$part] - (SECONDS - part_start))); }

# note STEP STATUS SECONDS [WHY]
note() {
    printf '%s\t%s\t%s\t%s\t%s\n' "$part" "$1" "$2" "$3" "${4:-}" >> "$out/parts.tsv"
    printf -- '-- %-9s %-28s %s %s s %s\n' "$part" "$1" "$2" "$3" "${4:-}"
}
skip() { note "$1" skipped 0 "$2"; }

# step NAME COMMAND...: runs it within what is left of the part's time; its output goes to a log.
step() {
    local name=$1 start=$SECONDS rc seconds
    shift
    seconds=$(left)
    if [ "$seconds" -lt 5 ]; then
        skip "$name" "the part's time is over"
        return 1
    fi
    local log=$out/$part-${name//[^A-Za-z0-9_-]/-}.log
    timeout --kill-after=5 "$seconds" "$@" > "$log" 2>&1
    rc=$?
    case $rc in
        0) note "$name" ok $((SECONDS - start)) ;;
        124 | 137) note "$name" timeout $((SECONDS - start)) "after $seconds s" ;;
        *)
            note "$name" failed $((SECONDS - start)) "exit code $rc"
            tail -n 15 "$log" | sed 's/^/   | /'
            ;;
    esac
    return $rc
}

# bench NAME ARGUMENTS...: a benchmark of ours, if it was packed. What follows the binary's name
# tells its calls apart.
bench() {
    local name=$1 binary=${1%% *}
    shift
    [ -x "$bin/benches/$binary" ] || { skip "$name" "not packed"; return 1; }
    step "$name" "$bin/benches/$binary" "$@"
}

# table NAME: measured beside its peers, by turns.
table() {
    if [ -z "$torch" ]; then
        skip "$1" "no python3 with a PyTorch that sees the GPU"
        return
    fi
    step "$1" "$torch" "$here/python/tables.py" "$1" --programs "$bin" --out "$out" \
        --rounds "${ROUNDS:-3}" --limit $(($(left) - 15))
}

part_numbers() {
    if [ -z "$torch" ]; then
        skip numbers "no python3 with a PyTorch that sees the GPU"
        return
    fi
    step numbers "$torch" "$here/python/same_numbers.py" --program "$bin/dacapo" --json "$out/numbers.json"
}

part_tests() {
    local test
    # Side by side: their time goes into compiling kernels.
    for test in "$bin"/tests/*; do
        step "$(basename "$test")" "$test" &
    done
    wait
    # "test result: ok. 3 passed; 0 failed; ..." of every binary.
    for test in "$bin"/tests/*; do
        test=$(basename "$test")
        sed -nE 's/^test result: ([a-zA-Z]+)\. ([0-9]+) passed; ([0-9]+) failed.*/{"binary": "'"$test"'", "result": "\1", "passed": \2, "failed": \3}/p' \
            "$out/tests-$test.log" 2> /dev/null
    done | json_rows tests
}

# dacapo's own kernels: the others are not for it to mend.
part_sanitizer() {
    if [ -z "$sanitizer" ]; then
        skip compute-sanitizer "not in the PATH or in CUDA_PATH/bin"
        return
    fi
    local tool test name tools=(${SANITIZER:-memcheck})
    # Each buffer in an allocation of its own: inside a pool an access past its end goes unseen.
    mkdir -p "$work/sanitizer"
    { cat "$work/cubecl.toml"; printf '[memory]\npersistent_memory = "enforced"\n'; } \
        > "$work/sanitizer/cubecl.toml"
    cd "$work/sanitizer" || return
    for tool in "${tools[@]}"; do
        for test in "$bin"/tests/kernels-*; do
            name=$(basename "$test")
            step "$tool $name" "$sanitizer" --tool "$tool" --error-exitcode 99 "$test" \
                --test-threads 1 &
        done
    done
    wait
    cd "$work" || return
    for tool in "${tools[@]}"; do
        for test in "$bin"/tests/kernels-*; do
            name=$(basename "$test")
            sed -nE 's/^=+ (ERROR SUMMARY|RACECHECK SUMMARY): (.*)/{"binary": "'"$name"'", "tool": "'"$tool"'", "summary": "\2"}/p' \
                "$out/sanitizer-$tool-$name.log" 2> /dev/null
        done
    done | json_rows sanitizer
}

part_matmul() {
    bench matmul_plan --seconds $(($(left) - 10)) --cache "$work/kernels" --json "$out/matmul.json"
}

part_exact() {
    local program=$bin/dacapo
    # Every precision, several hundred steps, dropout; EXACT_CASES=all for the rest.
    local cases=${EXACT_CASES:-default default-tf32 default-bf16 vit-6 vit-wide-tf32 vit-wide-bf16 dropout-tf32 clip-hba-dropout-bf16}
    [ "$cases" != all ] || cases=
    # shellcheck disable=SC2086
    JOBS=${JOBS:-8} JSON=$out/exact.json step cuda_exact.sh bash "$here/cuda_exact.sh" "$program" cuda:0 $cases
    grep -E 'two processes|^ +(backend|device|kernel_plan)' "$out/exact-cuda_exact-sh.log"
}

part_profile() {
    bench "vit_l_step profile" --warm-up 1 --steps 1 --flavours peft --precisions tf32 \
        --cache "$work/kernels" --profile "$out/vit_profile.log"
}

# json_rows NAME: JSON objects, one a line, as a file of one part.
json_rows() {
    {
        printf '{"part": "%s", "rows": [\n' "$1"
        sed '$!s/$/,/'
        printf ']}\n'
    } > "$out/$1.json"
}

for part in "${parts[@]}"; do
    printf '\n== %s (at most %s s)\n' "$part" "${limit[$part]}"
    part_start=$SECONDS
    rm -f "$out/$part"*.json "$out/$part"[-_]*.log
    if [[ " ${tables[*]} " == *" $part "* ]]; then
        table "$part"
    else
        "part_$part"
    fi
done
cd "$out" || exit 2
rm -rf "$work"

printf '\n'
if [ -n "$python" ]; then
    "$python" "$here/python/collect.py" "$out"
else
    echo "no python3: no table; the figures are in $out/*.json"
    cat "$out/parts.tsv"
fi
printf '\n%s s in all; JSON, logs and the table are in %s\n' "$SECONDS" "$out"
! grep -qP '\t(failed|timeout)\t' "$out/parts.tsv"
