#!/usr/bin/env bash
# NVIDIA's driver on a node with GPUs, and with --toolkit yes its container toolkit and containerd's runtime, all from NVIDIA's
# package repository. Otherwise the toolkit is the GPU Operator's to bring. nouveau.sh runs before. What works is left alone.
#   nvidia.sh [--check] [--branch N] [--toolkit yes] [--repository URL]
# Sources: https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/
#          https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html
script=nvidia
option_branch=580 option_toolkit=no option_repository=https://developer.download.nvidia.com/compute/cuda/repos
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

loaded_driver=/proc/driver/nvidia/version
has_driver() { [ -e "$loaded_driver" ] && command -v nvidia-smi >/dev/null; }
driver_version() { sed -nE 's/^NVRM version:.* ([0-9]{3}\.[0-9.]+) .*/\1/p' "$loaded_driver" 2>/dev/null || true; }
# On Debian the driver depends on packages of contrib, which images leave out. Mirrors of Debian come with it: mirrors.sh.
contrib_file=/etc/apt/sources.list.d/gpuplan-contrib.sources
package_sources() { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null || true; }
has_contrib() {
  [ "$(system_value ID)" != debian ] || grep -qE '^(deb|Components:)[[:space:]].*\<contrib\>' <<<"$(package_sources)"
}
# From where the rest of Debian comes.
add_contrib() {
  local url codename
  url=$(package_sources | sed -nE 's/^URIs:[[:space:]]*([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' |
    grep -E '/debian(\.list)?/?$' | sed -n 1p || true)
  [ -n "$url" ] || die "apt on $(uname -n) has no package source of Debian, from which packages of contrib could come:" \
    "add one with contrib, or use an image with the driver"
  codename=$(system_value VERSION_CODENAME)
  write_file "$contrib_file" "$(printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: contrib\nSigned-By: %s' \
    "$url" "$codename $codename-updates" /usr/share/keyrings/debian-archive-keyring.gpg)"
  lists_are_fresh=no
}

add_repository() {
  local system directory
  require_known_system
  system=$(system_value ID)$(system_value VERSION_ID | tr -d .)
  # A mirror is among the package sources already: mirrors.sh.
  if [ -e /etc/apt/sources.list.d/gpuplan-nvidia.list ] || is_installed cuda-keyring; then return; fi
  directory=$(mktemp -d)
  download "$option_repository/$system/x86_64/cuda-keyring_1.1-1_all.deb" "$directory/cuda-keyring.deb"
  dpkg -i "$directory/cuda-keyring.deb"
  rm -rf "$directory"
  lists_are_fresh=no
}
# That of a driver whose module is not loaded: for the running kernel, or else for another. Debian's module has a name of its own.
installed_version() {
  local kernel module
  for kernel in "$(uname -r)" $(ls /lib/modules 2>/dev/null); do
    for module in nvidia nvidia-current; do
      if modinfo -k "$kernel" -F version "$module" 2>/dev/null; then return; fi
    done
  done
}
missing_driver() {
  local there
  if ! has_driver; then there=$(installed_version); fi
  if [ -n "${there:-}" ]; then
    echo "NVIDIA's driver $there is installed, and not loaded or without nvidia-smi"
  else
    echo "NVIDIA's driver is not installed or not loaded"
  fi
}
# After a boot a driver may be there that nothing has loaded.
load_driver() {
  local there reason
  reason=$(modprobe nvidia 2>&1) || true
  if has_driver; then return; fi
  there=$(driver_version)
  there=${there:-$(installed_version)}
  if [ -z "$there" ] || [[ $there == "$option_branch".* ]]; then return 1; fi
  reason=${reason##*$'\n'}
  die "NVIDIA's driver $there is installed on $(uname -n) and does not work (${reason:-there is no nvidia-smi}), and branch" \
    "$option_branch is not installed over another: mend it or take it away there, or use an image with the driver"
}
install_driver() {
  if load_driver; then return; fi
  require_known_system
  has_contrib || add_contrib
  add_repository
  # apt heeds a pin only once it is installed: in one transaction with it the newest branch would come.
  install_packages "nvidia-driver-pinning-$option_branch"
  # The module is built against the running kernel.
  install_packages "linux-headers-$(uname -r)" nvidia-open
  modprobe nvidia || die "the driver is installed, but its module does not load: look at \`dmesg\` on this node"
  require_branch
}
require_branch() {
  if [[ $(driver_version) == "$option_branch".* ]]; then return; fi
  die "NVIDIA's driver $(driver_version) is loaded on $(uname -n), and branch $option_branch was to be installed:" \
    "\`apt-cache policy nvidia-open\` there shows which package source has it; take that away, or use an image with the driver"
}

has_toolkit() { [ "$option_toolkit" = no ] || { command -v nvidia-ctk && command -v nvidia-container-runtime; } >/dev/null; }
install_toolkit() {
  add_repository
  install_packages nvidia-container-toolkit
}

# The operator's own pods name the runtime "nvidia". As the default it gives GPUs also to pods that name none, which operators
# before 25.10 expect; newer ones ask containerd itself, by CDI.
has_runtime() {
  local effective
  [ "$option_toolkit" = yes ] || return 0
  effective=$(containerd config dump 2>/dev/null) || return 1
  grep -qE "^ *\[.*\.runtimes\.[\"']?nvidia[\"']?\] *\$" <<<"$effective" || return 1
  grep -qE "^ *default_runtime_name *= *[\"']nvidia[\"']" <<<"$effective" || return 1
  ! grep -qE '^ *enable_cdi *= *false' <<<"$effective"
}
add_runtime() {
  nvidia-ctk runtime configure --runtime=containerd --nvidia-set-as-default --cdi.enabled
  systemctl restart containerd
}

# Where NVSwitches join GPUs, CUDA starts only with the manager of the fabric. Their class alone is also that of other bridges.
has_switches() {
  local device
  for device in /sys/bus/pci/devices/*; do
    if grep -qsx 0x10de "$device/vendor" && grep -qsx '0x0680..' "$device/class"; then return; fi
  done
  return 1
}
fabric_is_managed() { ! has_switches || systemctl is-active --quiet nvidia-fabricmanager; }
# Up to branch 580 Ubuntu's packages have the branch in their names. The manager works with a driver of its own version only.
manage_fabric() {
  local version package
  version=$(cat /sys/module/nvidia/version)
  package=nvidia-fabricmanager-${version%%.*}
  if ! is_installed "$package" && ! is_installed nvidia-fabricmanager; then
    has_candidate "$package" || package=nvidia-fabricmanager
    install_packages "$package=$version-*"
  fi
  systemctl enable --now nvidia-fabricmanager
}

main() {
  read_options "branch toolkit repository" "$@"
  require_option branch '[0-9]{3}'
  require_option toolkit 'yes|no'
  require_option repository 'https?://[][A-Za-z0-9._~:/%-]+'
  need "$(missing_driver)" has_driver install_driver
  need "NVIDIA's container toolkit is not installed" has_toolkit install_toolkit
  need "containerd has no runtime of NVIDIA's as its default, or no CDI" has_runtime add_runtime
  need "NVSwitches are here, and nothing manages their fabric" fabric_is_managed manage_fabric
  finish
}
main "$@"
