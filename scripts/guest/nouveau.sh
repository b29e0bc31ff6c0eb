#!/usr/bin/env bash
# Keeps nouveau, the kernel's own driver, away from the GPUs of a node: NVIDIA's driver takes none that has it, whether it
# comes from a package or in the GPU Operator's container.
#   nouveau.sh [--check]
# Source: https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/
script=nouveau
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

# As the seed of a VM writes it, too.
blacklist_file=/etc/modprobe.d/gpuplan-nouveau.conf
blacklist=$'blacklist nouveau\noptions nouveau modeset=0'

is_blacklisted() { file_is "$blacklist_file" "$blacklist"; }
# What the kernel boots from has a copy of it.
blacklist_it() {
  write_file "$blacklist_file" "$blacklist"
  if command -v update-initramfs >/dev/null; then update-initramfs -u; fi
}

is_unloaded() { [ ! -e /sys/module/nouveau ]; }
unload() { modprobe -r nouveau || die "nouveau has the GPUs of $(uname -n) and does not let go: reboot this node, then go on"; }

main() {
  read_options "" "$@"
  need "nouveau would take the GPUs at the next boot" is_blacklisted blacklist_it
  need "nouveau has the GPUs" is_unloaded unload
  finish
}
main "$@"
