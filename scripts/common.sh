# Sourced by the scripts beside it.
# shellcheck shell=bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# build PRESET [CMAKE FLAG…]: configures it and builds all of it, or the target in $build_target; shows the
# output only if that fails.
build() {
  local preset=$1 log launcher=() target=()
  shift
  log=$(mktemp)
  if [ -n "${build_target:-}" ]; then target=(--target "$build_target"); fi
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  echo "building preset '$preset' (log: $log)" >&2
  if ! { cmake --preset "$preset" "${launcher[@]}" "$@" && cmake --build --preset "$preset" "${target[@]}"; } >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    echo "building preset '$preset' failed; the whole log: $log" >&2
    return 1
  fi
  rm -f "$log"
}
