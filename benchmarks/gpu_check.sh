#!/usr/bin/env bash
# Everything that needs a GPU, in stages of under 8 minutes each:
#
#   benchmarks/gpu_check.sh [--out DIR] [build] [tests] [nccl] [sanitize] [steps] [bench] [seeds]   (none: all)
#
#   build     into a virtual environment, for this machine's GPU, without network
#   tests     tests/cuda on the hardware, with round trips of arrays where PyTorch, CuPy or JAX are installed
#   nccl      one rank with NCCL itself, and two where there are two GPUs, mpi4py and mpiexec; skipped without NCCL
#   sanitize  compute-sanitizer's memcheck, racecheck, initcheck and synccheck on small cases
#   steps     200 losses next to the CPU engine's, and two runs with the same bits
#   bench     benchmarks/gpu.py, against PyTorch eager and as a CUDA graph
#   seeds     ten seeds of the recipe d2l on Fashion-MNIST (where $CONVLET_DATA has it)
#
# It needs Python 3.10 or later with NumPy, pybind11, scikit-build-core, CMake, ninja, pytest, and nvcc; PyTorch for the
# rivals, which brings NCCL. Logs and JSON go to DIR (gpu-check), and a table to the end of the output. The exit status
# is 1 if a stage failed.
set -uo pipefail
cd "$(dirname "$0")/.."
out=$PWD/gpu-check
stages=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    build | tests | nccl | sanitize | steps | bench | seeds) stages+=("$1"); shift ;;
    *) sed -n '2,18s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
[ ${#stages[@]} -gt 0 ] || stages=(build tests nccl sanitize steps bench seeds)
mkdir -p "$out"
venv=$PWD/build-gpu/venv
python=$venv/bin/python
export PYTHONDONTWRITEBYTECODE=1

build() {
  [ -x "$python" ] || python3 -m venv --system-site-packages "$venv"
  CONVLET_CUDA=ON CONVLET_CUDA_ARCHITECTURES=native "$python" -m pip install -q --no-build-isolation --no-deps \
    --no-index -Cbuild-dir=build-gpu/cmake . &&
    (cd "$out" && "$python" -c 'from convlet import _core; print(_core.cuda_status() or _core.cuda_info())')
}

run_tests() {  # but for the programs that run on the emulated device and so need no GPU
  "$python" -m pytest -p no:cacheprovider -rs tests/cuda --ignore=tests/cuda/test_emulator.py \
    --ignore=tests/cuda/test_ops.py --ignore=tests/cuda/test_planted_faults.py --junitxml="$out/tests.xml"
}

nccl() {  # the reasons for what is skipped stand in the log
  "$python" -c 'from convlet import _core; from convlet.distributed.nccl import find_library as f
print("NCCL", _core.nccl_version(f()), f(), "for", len(_core.cuda_devices()), "GPUs")' || true
  OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "$python" -m pytest -p no:cacheprovider -rs \
    tests/cuda/test_team.py tests/distributed/test_nccl.py tests/distributed/test_nccl_library.py \
    --junitxml="$out/nccl.xml"
}

sanitize() {
  local tool status=0
  for tool in memcheck racecheck initcheck synccheck; do
    echo "== $tool"
    timeout 110 compute-sanitizer --tool "$tool" --error-exitcode 9 "$python" benchmarks/gpu_small_cases.py || status=1
  done
  return $status
}

steps() { "$python" benchmarks/gpu_steps.py --out "$out/steps.json"; }
bench() { "$python" benchmarks/gpu.py --out "$out/bench.json" | tee "$out/bench.md"; }
seeds() { "$python" benchmarks/ten_seeds.py --device cuda --out "$out/seeds.md"; }

declare -A verdict
failed=0
for stage in "${stages[@]}"; do
  printf '\n== %s\n' "$stage"
  begin=$SECONDS
  work=$stage
  [ "$stage" = tests ] && work=run_tests
  if $work > >(tee "$out/$stage.log") 2>&1; then
    verdict[$stage]="passed in $((SECONDS - begin)) s"
  else
    verdict[$stage]="FAILED after $((SECONDS - begin)) s"
    failed=1
  fi
done

printf '\n'
{
  printf '{'
  separator=''
  for stage in "${stages[@]}"; do
    printf '%s"%s": "%s"' "$separator" "$stage" "${verdict[$stage]}"
    separator=', '
  done
  printf '}\n'
} > "$out/summary.json"
for stage in "${stages[@]}"; do
  printf '%-10s %s\n' "$stage" "${verdict[$stage]}"
done
exit $failed
