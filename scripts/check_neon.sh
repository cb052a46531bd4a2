#!/usr/bin/env bash
# Builds the library without Python for aarch64 and runs its checks on an emulated processor, so that the NEON kernels
# can be checked without an ARM machine. On Debian it needs: apt-get install g++-aarch64-linux-gnu qemu-user-static
set -euo pipefail
cd "$(dirname "$0")/.."
for tool in aarch64-linux-gnu-g++ qemu-aarch64-static cmake; do
  command -v "$tool" >/dev/null || { echo "check_neon: $tool is missing" >&2; exit 1; }
done
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

cmake -S . -B "$build" -DCONVLET_PYTHON=OFF -DCONVLET_WERROR=ON -DCMAKE_SYSTEM_NAME=Linux \
  -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ >/dev/null
cmake --build "$build" --parallel 2 >/dev/null

for check in tests/isa/ops_check.cpp tests/threads/pool_stress.cpp; do
  program="$build/$(basename "$check" .cpp)"
  aarch64-linux-gnu-g++ -std=c++17 -O2 -static -Icpp/include -Icpp -I. "$check" "$build/libconvlet.a" -pthread -o "$program"
  qemu-aarch64-static "$program"
done
