#!/usr/bin/env bash
# Takes away what a pod network has left on a node that has left its cluster, for `kubeadm reset` does not: beside it the next
# one gets no traffic, or "cni0 already has an IP address different from …".
#   pod_network.sh [--check]
# Source: https://kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-reset/, https://docs.tigera.io/calico/latest/reference/
script=pod_network
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

# Of the networks that gpuplan installs. Any other file there is somebody else's.
files() {
  local file
  for file in 10-calico.conflist calico-kubeconfig 10-flannel.conflist; do
    if [ -e "/etc/cni/net.d/$file" ]; then echo "/etc/cni/net.d/$file"; fi
  done
}
has_no_files() { [ -z "$(files)" ]; }
remove_files() { files | xargs rm -f --; }

# Flannel's bridge and tunnel; Calico's tunnel and its end of each pod's link.
links() {
  ip -o link show | sed -nE 's/^[0-9]+: (cni0|flannel\.1|vxlan\.calico|cali[0-9a-f]{11})[@:].*/\1/p'
}
has_no_links() { [ -z "$(links)" ]; }
remove_links() {
  local link
  for link in $(links); do
    # Its other end may have gone with one before it.
    ip link delete "$link" || ! ip link show "$link" >/dev/null 2>&1
  done
}

# Calico's third tunnel is the kernel's own, and stays.
tunnel_has_no_address() { [ -z "$(ip -o address show dev tunl0 2>/dev/null)" ]; }
free_tunnel() {
  ip address flush dev tunl0
  ip link set tunl0 down
}

# Ranges of pods that Calico (80) and its BIRD (12) gave this node are refused anywhere else than in pods.
routes() { for protocol in 12 80; do ip -4 route show type blackhole proto "$protocol" 2>/dev/null || true; done; }
has_no_routes() { [ -z "$(routes)" ]; }
remove_routes() { for protocol in 12 80; do ip -4 route flush type blackhole proto "$protocol"; done; }

main() {
  read_options "" "$@"
  need "a pod network that is gone is configured" has_no_files remove_files
  need "a pod network that is gone has links" has_no_links remove_links
  need "a pod network that is gone has a tunnel's address" tunnel_has_no_address free_tunnel
  need "a pod network that is gone holds ranges of addresses" has_no_routes remove_routes
  finish
}
main "$@"
