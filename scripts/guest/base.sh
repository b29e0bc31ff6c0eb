#!/usr/bin/env bash
# What every node needs of its system before anything of Kubernetes: kernel modules, sysctls, no swap, a synchronized
# clock, its own name.
#   base.sh [--check] --node NAME --address IPV4 [--agent yes]
script=base
option_node='' option_address='' option_agent=no
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

modules_file=/etc/modules-load.d/gpuplan.conf
modules=$'overlay\nbr_netfilter'
sysctl_file=/etc/sysctl.d/90-gpuplan.conf
sysctls=$'net.ipv4.ip_forward = 1\nnet.bridge.bridge-nf-call-iptables = 1\nnet.bridge.bridge-nf-call-ip6tables = 1'
upgrades_file=/etc/apt/apt.conf.d/90-gpuplan
upgrades='Unattended-Upgrade::Package-Blacklist { "linux-"; "nvidia-"; "libnvidia-"; "kube"; "containerd"; };'

modules_are_listed() { file_is "$modules_file" "$modules"; }
list_modules() { write_file "$modules_file" "$modules"; }
modules_are_loaded() { grep -qw overlay /proc/filesystems && [ -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; }
load_modules() { modprobe -a overlay br_netfilter; }

sysctls_are_listed() { file_is "$sysctl_file" "$sysctls"; }
list_sysctls() { write_file "$sysctl_file" "$sysctls"; }
sysctls_are_set() {
  [ "$(sysctl -n net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables | xargs)" = "1 1 1" ]
}
set_sysctls() { sysctl -q -p "$sysctl_file"; }

swap_is_off() { [ "$(wc -l </proc/swaps)" -le 1 ]; }
turn_swap_off() { swapoff -a; }
# Units of partitions and of zram pull this target in, and nothing else does.
swap_stays_off() { [ "$(systemctl is-enabled swap.target 2>/dev/null)" = masked ] && ! grep -qsE '^[^#]+[[:space:]]swap[[:space:]]' /etc/fstab; }
keep_swap_off() {
  if [ -e /etc/fstab ]; then sed -i -E 's/^([^#]+[[:space:]]swap[[:space:]].*)$/# without swap, for the kubelet: \1/' /etc/fstab; fi
  systemctl mask swap.target
}

clock_is_kept() {
  local unit
  for unit in systemd-timesyncd chrony chronyd ntpsec ntp ntpd; do
    if systemctl is-active --quiet "$unit"; then return; fi
  done
  return 1
}
keep_clock() {
  is_installed systemd-timesyncd || install_packages systemd-timesyncd
  systemctl enable --now systemd-timesyncd
}

knows_itself() { getent hosts "$option_node" >/dev/null; }
name_itself() { printf '%s %s\n' "$option_address" "$option_node" >>/etc/hosts; }

# A driver or kubelet that is replaced below running pods takes them with it.
upgrades_leave_nodes_alone() { [ ! -e /etc/apt/apt.conf.d ] || file_is "$upgrades_file" "$upgrades"; }
exempt_from_upgrades() { write_file "$upgrades_file" "$upgrades"; }

# The hypervisor's channel into a VM; a seed that leaves it out leaves it to this.
has_agent() { [ "$option_agent" = no ] || { is_installed qemu-guest-agent && systemctl is-active --quiet qemu-guest-agent; }; }
install_agent() {
  is_installed qemu-guest-agent || install_packages qemu-guest-agent
  systemctl enable --now qemu-guest-agent
}

main() {
  read_options "node address agent" "$@"
  require_option agent 'yes|no'
  require_option node '[a-z0-9]([-a-z0-9.]*[a-z0-9])?'
  require_option address '[0-9]{1,3}(\.[0-9]{1,3}){3}'
  need "kernel modules to load at boot: overlay, br_netfilter" modules_are_listed list_modules
  need "kernel modules are not loaded: overlay, br_netfilter" modules_are_loaded load_modules
  need "sysctls to set at boot: forwarding, bridged traffic through iptables" sysctls_are_listed list_sysctls
  need "sysctls are not set: forwarding, bridged traffic through iptables" sysctls_are_set set_sysctls
  need "swap is on" swap_is_off turn_swap_off
  need "swap would come back at the next boot" swap_stays_off keep_swap_off
  need "nothing synchronizes the clock" clock_is_kept keep_clock
  need "the name $option_node cannot be resolved" knows_itself name_itself
  need "automatic upgrades would replace kernel, driver or kubelet" upgrades_leave_nodes_alone exempt_from_upgrades
  need "the guest agent is not installed or does not run" has_agent install_agent
  finish
}
main "$@"
