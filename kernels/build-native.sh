#!/usr/bin/env bash
# Builds the CPU kernels: build-native.sh SOURCE_DIR OBJECT_DIR OUTPUT_DIR
# The library goes to OUTPUT_DIR/<os>-<architecture>/libweir_cpu.so; what is newer than its sources is kept.
set -euo pipefail
source_dir="$1" object_dir="$2" output_dir="$3"

without() {
  echo "weir: the native CPU kernels are left out: $1; the engine takes its portable path" >&2
  exit 0
}

[[ "$(uname -s)" == Linux ]] || without "they are built on Linux only"
compiler="${CC:-cc}"
command -v "$compiler" >/dev/null || without "no C compiler '$compiler' (install gcc, or set CC)"
case "$(uname -m)" in
  x86_64 | amd64) platform=linux-x86_64 ;;
  aarch64 | arm64) platform=linux-aarch64 ;;
  *) without "no platform name for $(uname -m)" ;;
esac

# The numerics are ours to decide: no reassociation, no contraction but where fma is written.
flags=(-std=gnu11 -O3 -fPIC -fvisibility=hidden -ffp-contract=off -fno-math-errno -pthread
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Werror)
avx2=(-mavx2 -mfma -mf16c)
avx512=("${avx2[@]}" -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
avx512bf16=("${avx512[@]}" -mavx512bf16)
amx=("${avx512bf16[@]}" -mamx-tile -mamx-bf16)

library="$output_dir/$platform/libweir_cpu.so"
objects="$object_dir/$platform"
mkdir -p "$objects" "$(dirname "$library")"
newest_header="$(ls -t "$source_dir"/*.h "${BASH_SOURCE[0]}" | head -1)"

linked=()
compiled=0
# compile SOURCE OBJECT FLAG…: unless the object is newer than the source, every header and this script.
compile() {
  local source="$1" object="$objects/$2.o"
  shift 2
  linked+=("$object")
  # X_emulated.c includes X.c.
  if [[ "$object" -nt "$source" && "$object" -nt "${source/_emulated/}" && "$object" -nt "$newest_header" ]]; then
    return
  fi
  "$compiler" "${flags[@]}" "$@" -c "$source" -o "$object.new"
  mv "$object.new" "$object"
  compiled=1
}

for source in "$source_dir"/*.c; do
  name="$(basename "$source" .c)"
  case "$name" in
    *_avx2) [[ $platform == linux-x86_64 ]] && compile "$source" "$name" "${avx2[@]}" ;;
    *_avx512) [[ $platform == linux-x86_64 ]] && compile "$source" "$name" "${avx512[@]}" ;;
    *_avx512bf16) [[ $platform == linux-x86_64 ]] && compile "$source" "$name" "${avx512bf16[@]}" ;;
    *_amx) [[ $platform == linux-x86_64 ]] && compile "$source" "$name" "${amx[@]}" ;;
    *_simd)
      # One source, compiled once per level: it names what it exports with WEIR_LEVEL(name).
      compile "$source" "${name}_portable" "-DWEIR_LEVEL(name)=name##_portable"
      if [[ $platform == linux-x86_64 ]]; then
        compile "$source" "${name}_avx2" "-DWEIR_LEVEL(name)=name##_avx2" "${avx2[@]}"
        compile "$source" "${name}_avx512" "-DWEIR_LEVEL(name)=name##_avx512" "${avx512[@]}"
      fi
      ;;
    *) compile "$source" "$name" ;;
  esac
done

if [[ $compiled == 1 || ! -f "$library" ]]; then
  "$compiler" -shared -pthread -o "$library.new" "${linked[@]}" -lm
  mv "$library.new" "$library"
  echo "weir: built $(basename "$library") for $platform"
fi
