#!/usr/bin/env bash
# Builds the CUDA kernels: build-cuda.sh SOURCE_DIR OBJECT_DIR OUTPUT_DIR
# OUTPUT_DIR gets <family>.<architecture>.cubin and <family>.compute_80.ptx for each <family>.cu, and per architecture
# resources.<architecture>.txt: what each kernel takes; and families.txt. What is newer than its sources is kept. OBJECT_DIR gets the
# compilers' reports. WEIR_CUDA_ARCHITECTURES (for example "90a") builds fewer architectures, to try something out.
set -euo pipefail
source_dir="$1" object_dir="$2" output_dir="$3"

readonly MINIMUM_CUDA=13
readonly PTX=compute_80
read -ra architectures <<<"${WEIR_CUDA_ARCHITECTURES:-80 89 90a 100a 120}"

without() {
  rm -f "$output_dir"/*.cubin "$output_dir"/*.ptx "$output_dir"/*.txt
  echo "weir: the CUDA kernels are left out: $1; this build computes on the CPU" >&2
  exit 0
}

# Prints the first nvcc of CUDA_HOME, the usual folder and PATH.
find_nvcc() {
  local candidate
  for candidate in "${CUDA_HOME:+$CUDA_HOME/bin/nvcc}" /usr/local/cuda/bin/nvcc "$(command -v nvcc)"; do
    if [[ -n "$candidate" && -x "$candidate" ]]; then
      echo "$candidate"
      return
    fi
  done
  return 1
}

nvcc="$(find_nvcc)" || without "no nvcc (install the CUDA toolkit $MINIMUM_CUDA, or set CUDA_HOME)"
version="$("$nvcc" --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')"
[[ "${version:-0}" -ge $MINIMUM_CUDA ]] || without "$nvcc is of CUDA ${version:-unknown}; $MINIMUM_CUDA or newer is needed"
command -v g++ >/dev/null || without "nvcc needs a C++ compiler (install g++)"

# -fmad=false: the numerics are ours to decide, fused only where a kernel says so.
flags=(-std=c++17 -fmad=false "-I$source_dir" -Xcompiler -Wall,-Wextra)
ptxas=(-Xptxas "-v,--warn-on-spills,--warn-on-local-memory-usage")
# Spills and local memory; C7508 …: ptxas serialised wgmma, ignored a register hint or put waits of its own in.
readonly REFUSED='[Ss]pill(s|ing|ed)? |[Ll]ocal memory used|C75(08|10|11|17|19)'

mkdir -p "$object_dir" "$output_dir"
newest_header="$(ls -t "$source_dir"/*.h "${BASH_SOURCE[0]}" | head -1)"

# refused REPORT: what the build must not accept, after ptxas' own "0 bytes spill stores" lines are set aside.
refused() {
  grep -vE '0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads' "$1" | grep -E "$REFUSED|bytes stack frame"
}

# compile SOURCE OUTPUT FLAG…: one output, its report beside the other objects.
compile() {
  local source="$1" output="$2" name report
  shift 2
  name="$(basename "$output")"
  report="$object_dir/$name.report"
  if ! "$nvcc" "${flags[@]}" "$@" -o "$object_dir/$name.new" "$source" >"$report" 2>&1; then
    cat "$report" >&2
    echo "weir: nvcc failed for $name" >&2
    return 1
  fi
  if refused "$report" >&2; then
    echo "weir: $name is refused: kernels must not spill, use local memory or be serialised" >&2
    return 1
  fi
  mv "$object_dir/$name.new" "$output"
}

jobs=()
expected=()
# start SOURCE OUTPUT FLAG…: in the background unless the output is newer than the source, every header and this
# script; at most two at a time, which is what nvcc's memory allows on a small machine.
start() {
  local source="$1" output="$2"
  expected+=("$output")
  if [[ "$output" -nt "$source" && "$output" -nt "$newest_header" ]]; then
    return
  fi
  if [[ ${#jobs[@]} -ge 2 ]]; then
    wait "${jobs[0]}"
    jobs=("${jobs[@]:1}")
  fi
  compile "$@" &
  jobs+=($!)
  compiled=1
}

compiled=0
shopt -s nullglob
families=()
for source in "$source_dir"/*.cu; do
  family="$(basename "$source" .cu)"
  families+=("$family")
  for architecture in "${architectures[@]}"; do
    start "$source" "$output_dir/$family.sm_$architecture.cubin" "${ptxas[@]}" -cubin \
      -gencode "arch=compute_$architecture,code=sm_$architecture"
  done
  start "$source" "$output_dir/$family.$PTX.ptx" -ptx -gencode "arch=$PTX,code=$PTX"
done
for job in "${jobs[@]}"; do
  wait "$job"
done

# What has no source any more would still be loaded.
for output in "$output_dir"/*.cubin "$output_dir"/*.ptx; do
  if [[ " ${expected[*]} " != *" $output "* ]]; then
    rm -f "$output"
  fi
done

# ptxas' report of one cubin → "family kernel registers shared stack stores loads".
resources() {
  awk -v family="$2" '
    /Compiling entry function/ { split($0, quoted, "\047"); kernel = quoted[2] }
    /bytes stack frame/ { stack = $1; stores = $5; loads = $9 }
    /Used [0-9]+ registers/ {
      shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART, RLENGTH) + 0 : 0
      match($0, /Used [0-9]+/)
      printf "%s %s %d %d %d %d %d\n", family, kernel, substr($0, RSTART + 5, RLENGTH - 5), shared, stack, stores, loads
    }' "$1"
}

rm -f "$output_dir"/*.txt
for architecture in "${architectures[@]}"; do
  [[ ${#families[@]} -gt 0 ]] || continue
  table="$output_dir/resources.sm_$architecture.txt"
  echo "family kernel registers static_shared stack_frame spill_stores spill_loads" >"$table"
  for family in "${families[@]}"; do
    resources "$object_dir/$family.sm_$architecture.cubin.report" "$family" >>"$table"
  done
  if [[ $compiled == 1 ]]; then
    echo "weir: CUDA kernels for sm_$architecture"
    column -t "$table" 2>/dev/null || cat "$table"
  fi
done
[[ ${#families[@]} -eq 0 ]] || printf '%s\n' "${families[@]}" >"$output_dir/families.txt"
