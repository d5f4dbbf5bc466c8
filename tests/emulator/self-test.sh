#!/usr/bin/env bash
# Builds the emulator with kernels that have planted errors, and holds it against them: self-test.sh OUT_DIR
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:?"usage: self-test.sh OUT_DIR"}
"$here"/build-kernels.sh "$out" "$here"/src/test/cpp/planted.cu \
  "$here"/../../kernels/src/main/cuda/probe.cu
"${CXX:-g++}" -std=c++17 -O1 -Wall -Wextra -Werror -I "$here"/src/main/cpp "$here"/src/test/cpp/self_test.cpp -ldl \
  -o "$out"/self_test
exec "$out"/self_test "$out"/libweir_kernels_fast.so "$out"/libweir_kernels_checked.so
