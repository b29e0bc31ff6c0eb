# Sourced by scripts/lab: brings gpuplan into the lab.
# shellcheck shell=bash

# Brings targets of the release build up to date.
build_release() {
  local log=$lab_cache/build.log
  [ -f build/release/build.ninja ] || cmake --preset release >"$log" 2>&1 || lab_fail "the release build cannot be configured: $log"
  if ! cmake --build --preset release --target "$@" >"$log" 2>&1; then
    tail -n 40 "$log" >&2
    lab_fail "the release build failed; the whole log: $log"
  fi
}

# The installed release build, in /usr/local of the lab; does nothing if exactly that is there already.
deploy_gpuplan() {
  local tree sum
  build_release gpuplan plugins/all
  tree=$(mktemp -d)
  cmake --install build/release --prefix "$tree" --strip >/dev/null
  sum=$(cd "$tree" && find bin lib -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-64)
  if [ "$(lab_ssh cat /usr/local/lib/gpuplan/deployed 2>/dev/null || true)" != "$sum" ]; then
    lab_ssh rm -rf /usr/local/bin/gpuplan /usr/local/lib/gpuplan
    tar -C "$tree" -c bin lib | lab_ssh tar -C /usr/local -x --no-same-owner
    deploy_libraries build/release/bin/gpuplan /usr/local/bin/gpuplan
    lab_ssh "echo $sum >/usr/local/lib/gpuplan/deployed"
  fi
  rm -rf "$tree"
}

# deploy_libraries HERE THERE: the shared libraries of a program that the lab does not have.
deploy_libraries() {
  local here=$1 there=$2 name missing=()
  for name in $(lab_ssh ldd "$there" | sed -n 's/^\s*\(\S*\) => not found.*/\1/p'); do
    missing+=("$(ldd "$here" | awk -v name="$name" '$1 == name {print $3}')")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "lab: not in the lab's image (scripts/lab.d/root_packages), copied: ${missing[*]}" >&2
  tar -ch --transform 's|.*/||' "${missing[@]}" 2>/dev/null | lab_ssh 'tar -C /usr/local/lib -x && ldconfig'
}

# Copies those of the arguments that are files, seen from where scripts/lab was called, to the same place below /root/files.
deploy_files() {
  local argument files=()
  for argument in "$@"; do
    argument=${argument#sim:}
    if [ -f "$here/$argument" ] && [[ $argument != /* ]]; then files+=("$argument"); fi
  done
  lab_ssh mkdir -p /root/files
  [ ${#files[@]} -gt 0 ] || return 0
  tar -C "$here" -c "${files[@]}" | lab_ssh tar -C /root/files -x --no-same-owner
}

# The test programs that look at a host, and what they have paths of in them, at the same places.
lab_test_programs=(contract unit_host_libvirt)
deploy_tests() {
  local programs=("${lab_test_programs[@]}" file_access_child)
  local libraries=("$root"/build/release/lib/gpuplan/libgpuplan_sdk.so*)
  grep -q '^GPUPLAN_BUILD_TESTS:BOOL=ON' build/release/CMakeCache.txt || cmake --preset release -DGPUPLAN_BUILD_TESTS=ON >/dev/null
  build_release "${programs[@]}"
  tar -C / -c "${programs[@]/#/${root#/}/build/release/tests/}" "${libraries[@]#/}" "${root#/}/specs" |
    lab_ssh tar -C / -x --no-same-owner
  deploy_libraries build/release/tests/contract "$root/build/release/tests/contract"
}
