#!/usr/bin/env bash
# Writes src/main/java/dev/weir/bindings/cuda anew: jextract on the CUDA toolkit's cuda.h, then one replacement.
#   JEXTRACT   the jextract to run (default: the one on the PATH)
#   CUDA_HOME  the CUDA toolkit (default: /usr/local/cuda)
set -euo pipefail
here="$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)"
jextract="${JEXTRACT:-jextract}"
header="${CUDA_HOME:-/usr/local/cuda}/include/cuda.h"
arguments="$here/src/main/jextract/cuda-driver.args"
package=dev/weir/bindings/cuda
target="$here/src/main/java/$package"

fail() {
  echo "generate.sh: $*" >&2
  exit 1
}

command -v "$jextract" >/dev/null || fail "no jextract at '$jextract'; README.md says where to get it, JEXTRACT names it"
[[ -f "$header" ]] || fail "no $header; install the CUDA toolkit, or let CUDA_HOME name it"

# Not /tmp: the last step is a rename.
fresh="$(mktemp -d "$here/src/main/jextract/.generated.XXXXXX")"
trap 'rm -rf "$fresh"' EXIT
"$jextract" "@$arguments" --output "$fresh" "$header"
generated="$fresh/$package"

# The driver is looked up by hand-written code, which says why it is missing.
library_lookup='SymbolLookup.loaderLookup()'
[[ "$(grep -cF "$library_lookup" "$generated/CudaDriver.java")" == 1 ]] ||
  fail "expected '$library_lookup' once in CudaDriver.java: another version of jextract?"
sed -i "s/SymbolLookup\.loaderLookup()/dev.weir.bindings.CudaDriverLibrary.lookup()/" "$generated/CudaDriver.java"

# jextract is silent about a name that it does not find: a macro, a misspelling, a header of another version.
while read -r kind name; do
  case "$kind" in
    --include-function) grep -q "findOrThrow(\"$name\")" "$generated/CudaDriver.java" ;;
    --include-constant) grep -qE "public static [A-Za-z]+ $name\(\)" "$generated/CudaDriver.java" ;;
    --include-struct | --include-union) [[ -f "$generated/$name.java" ]] ;;
    *) true ;;
  esac || fail "nothing was generated for '$kind $name'"
done < <(grep -v '^#' "$arguments")

# How libclang 19 spells a struct without a name; it is not Java.
! grep -rlF '(unnamed ' "$generated" >&2 || fail "this jextract runs with too new a libclang; README.md says more"

rm -rf "$target"
mv "$generated" "$target"
