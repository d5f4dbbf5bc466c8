#!/usr/bin/env bash
# Builds the kernels for the host, with the emulator that runs them:
#
#   tests/emulator/build-kernels.sh OUT_DIR [SOURCE.cu ...]
#
# leaves libweir_kernels_fast.so and libweir_kernels_checked.so in OUT_DIR (launch.h is their interface), from the named
# sources or else from all of kernels/src/main/cuda. An object is kept where it is newer than its source and all
# headers. WEIR_LIBRARIES names those to build (fast, checked). Without g++ it says what is left out, and succeeds.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cuda=$here/../../kernels/src/main/cuda
core=$here/src/main/cpp
out=${1:?"usage: build-kernels.sh OUT_DIR [SOURCE.cu ...]"}
shift
compiler=${CXX:-g++}

if ! command -v "$compiler" > /dev/null; then
  echo "$compiler is not there: the emulated kernels are left out, and every test that runs on them is skipped" >&2
  exit 0
fi

if [ $# -gt 0 ]; then
  sources=("$@")
else
  shopt -s nullglob
  sources=("$cuda"/*.cu)
fi

newest_of() { ls -t "$@" "$here"/build-kernels.sh | head -1; }
kernel_headers=$(newest_of "$cuda"/*.h "$core"/{emulated,launch}.h)
core_headers=$(newest_of "$cuda"/vocabulary.h "$core"/{emulated,launch,emulator,fiber,checks,order,shadow}.h)
flags=(-std=c++17 -O2 -g1 -fPIC -ffp-contract=off -fvisibility=hidden -I "$cuda" -I "$core")
kernel_flags=(-x c++ -Wall -Wextra -Werror -Wno-unknown-pragmas -Wno-unused-function -Wno-psabi)

compile() { # OBJECT SOURCE NEWEST_HEADER FLAG...
  local object=$1 source=$2 header=$3
  shift 3
  if [ "$object" -nt "$source" ] && [ "$object" -nt "$header" ]; then
    return
  fi
  mkdir -p "$(dirname "$object")"
  "$compiler" "${flags[@]}" "$@" -c "$source" -o "$object.new"
  mv "$object.new" "$object"
}

library() { # NAME; flags for the core and for the kernels in core_flags and check_flags
  local name=$1 objects=() jobs=() source object
  for source in "$core"/{emulator,fiber,collectives,copies,report,checks,order}.cpp; do
    object=$out/$name/$(basename "$source" .cpp).o
    objects+=("$object")
    compile "$object" "$source" "$core_headers" -Wall -Wextra -Werror -Wno-psabi "${core_flags[@]}" & jobs+=($!)
  done
  for source in "${sources[@]}"; do
    object=$out/$name/$(basename "$source" .cu).cu.o
    objects+=("$object")
    compile "$object" "$source" "$kernel_headers" "${kernel_flags[@]}" "${check_flags[@]}" & jobs+=($!)
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
      wait -n || true # its exit status is asked for below
    done
  done
  for job in "${jobs[@]}"; do
    wait "$job"
  done
  local target=$out/libweir_kernels_$name.so
  for object in "${objects[@]}"; do
    if [ ! -e "$target" ] || [ "$object" -nt "$target" ]; then
      # Our own __tsan hooks are in the objects, so the sanitizer's library is not wanted.
      "$compiler" -shared -Wl,-Bsymbolic -Wl,--no-undefined "${objects[@]}" -ldl -o "$target.new"
      mv "$target.new" "$target"
      break
    fi
  done
}

for name in ${WEIR_LIBRARIES:-fast checked}; do
  core_flags=() check_flags=()
  if [ "$name" = checked ]; then
    core_flags=(-DWEIR_CHECKED)
    check_flags=(-fsanitize=thread --param=tsan-instrument-func-entry-exit=0 -fno-tree-vectorize
      -fno-tree-loop-distribute-patterns)
  fi
  library "$name"
done
