"""The hot loops of the register blocks, as the processor sees them."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compiler import ROOT, compiler

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or not shutil.which("objdump"),
    reason="needs x86-64 and objdump",
)

PLANTED = """
#include <immintrin.h>
template <int M>
void planted_block(const float* x, const float* w, int n, float* y) {
  __m256 sum[M] = {};
  for (int i = 0; i < n; ++i, x += 8, w += M) {
    const __m256 pixel = _mm256_loadu_ps(x);
#pragma GCC unroll 64
    for (int m = 0; m < M; ++m) sum[m] = _mm256_fmadd_ps(_mm256_set1_ps(w[m]), pixel, sum[m]);
  }
#pragma GCC unroll 64
  for (int m = 0; m < M; ++m) _mm256_storeu_ps(y + 8 * m, sum[m]);
}
"""


def check(objects: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts/check_spills.py", "--objects", objects]
    return subprocess.run(command, capture_output=True, text=True)


def check_planted(folder: Path, kernel: str) -> subprocess.CompletedProcess[str]:
    source = folder / "planted.cpp"
    source.write_text(PLANTED + kernel)
    for isa in ("avx2", "avx512"):
        flags = ["-O3", "-mavx2", "-mfma", "-c", source, "-o", folder / f"{isa}.o"]
        subprocess.run([compiler(), *flags], check=True)
    return check(folder)


def test_hot_loops_keep_their_sums_in_registers(objects: Path) -> None:
    outcome = check(objects)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_a_block_that_fits_the_registers_passes(tmp_path: Path) -> None:
    outcome = check_planted(
        tmp_path, "template void planted_block<8>(const float*, const float*, int, float*);"
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_a_block_of_too_many_sums_is_found(tmp_path: Path) -> None:
    outcome = check_planted(
        tmp_path, "template void planted_block<20>(const float*, const float*, int, float*);"
    )
    assert outcome.returncode == 1
    assert "avx2: planted_block<20> moves vectors to or from the stack" in outcome.stdout


def test_a_check_that_finds_no_loop_fails(tmp_path: Path) -> None:
    outcome = check_planted(tmp_path, "")
    assert outcome.returncode == 1
    assert "avx2: no hot loop found" in outcome.stdout
