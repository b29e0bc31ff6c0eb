# Sourced by scripts/guest_test: libvirt's daemons, on machines where nothing starts them.
# shellcheck shell=bash

libvirt_answers() { virsh -q -c qemu:///system version >/dev/null 2>&1; }

# Those that run already stay; those started here end with this script.
start_libvirt() {
  local try
  libvirt_answers && return
  mkdir -p /run/libvirt
  if ! pgrep -x virtlogd >/dev/null; then
    virtlogd --daemon --pid-file "$lab_cache/virtlogd.pid" {lock}>&-
  fi
  if ! pgrep -x libvirtd >/dev/null; then
    libvirtd --daemon --pid-file "$lab_cache/libvirtd.pid" {lock}>&-
  fi
  trap stop_libvirt EXIT
  for try in $(seq 60); do
    if libvirt_answers; then return; fi
    sleep 1
  done
  lab_fail "libvirtd does not answer after $try seconds; look at \`journalctl\`, or run \`libvirtd\` by hand"
}

stop_libvirt() {
  local name
  for name in libvirtd virtlogd; do
    if [ -e "$lab_cache/$name.pid" ]; then kill "$(cat "$lab_cache/$name.pid")" 2>/dev/null || true; fi
  done
}
