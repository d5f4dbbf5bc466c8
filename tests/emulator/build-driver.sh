#!/usr/bin/env bash
# Builds the emulated CUDA driver:
#
#   tests/emulator/build-driver.sh OUT_DIR
#
# leaves libcuda.so.1 in OUT_DIR, and libweir_kernels_driver_test.so, the kernels of its own tests. An object is kept where it is newer than its source and all headers. Without g++ or
# the CUDA toolkit's header it says what is left out, and succeeds.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
core=$here/src/main/cpp
out=${1:?"usage: build-driver.sh OUT_DIR"}
compiler=${CXX:-g++}

# The header beside the first nvcc of CUDA_HOME, the usual folder and PATH, as kernels/build-cuda.sh looks for it.
find_include() {
  local on_path candidate
  on_path=$(readlink -f "$(command -v nvcc || echo /nvcc)")
  for candidate in ${CUDA_HOME:+"$CUDA_HOME"} /usr/local/cuda "$(dirname "$(dirname "$on_path")")"; do
    if [[ -f "$candidate/include/cuda.h" ]]; then
      echo "$candidate/include"
      return
    fi
  done
  return 1
}

without() {
  rm -f "$out/libcuda.so.1"
  echo "weir: the emulated CUDA driver is left out: $1; every test that runs on it is skipped" >&2
  exit 0
}

command -v "$compiler" >/dev/null || without "no C++ compiler '$compiler' (install g++, or set CXX)"
include=$(find_include) || without "no cuda.h (install the CUDA toolkit, or set CUDA_HOME)"

objects_dir=$out/driver
mkdir -p "$objects_dir"
newest_header=$(ls -t "$core"/*.h "$0" | head -1)
flags=(-std=c++17 -O2 -g1 -fPIC -fvisibility=hidden -Wall -Wextra -Werror -isystem "$include")

objects=()
jobs=()
for source in "$core"/driver_*.cpp; do
  object=$objects_dir/$(basename "$source" .cpp).o
  objects+=("$object")
  if [[ "$object" -nt "$source" && "$object" -nt "$newest_header" ]]; then
    continue
  fi
  (
    "$compiler" "${flags[@]}" -c "$source" -o "$object.new"
    mv "$object.new" "$object"
  ) &
  jobs+=($!)
  if [[ ${#jobs[@]} -ge 2 ]]; then
    wait "${jobs[0]}"
    jobs=("${jobs[@]:1}")
  fi
done
for job in "${jobs[@]}"; do
  wait "$job"
done

library=$out/libcuda.so.1
newest_object=$(ls -t "${objects[@]}" | head -1)
if [[ ! "$library" -nt "$newest_object" ]]; then
  "$compiler" -shared -Wl,-soname,libcuda.so.1 -Wl,-Bsymbolic -Wl,--no-undefined "${objects[@]}" -ldl -pthread \
    -o "$library.new"
  mv "$library.new" "$library"
  echo "weir: built the emulated CUDA driver"
fi

source=$here/src/test/cpp/driver_kernels.cpp
library=$out/libweir_kernels_driver_test.so
if [[ ! "$library" -nt "$source" || ! "$library" -nt "$core/launch.h" ]]; then
  "$compiler" "${flags[@]}" -I "$core" -shared "$source" -o "$library.new"
  mv "$library.new" "$library"
fi
