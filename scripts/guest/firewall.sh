#!/usr/bin/env bash
# Lets the nodes and pods of the cluster through a firewall that is on. Turns none on, and opens nothing to others.
#   firewall.sh [--check] --networks CIDR[,CIDR…]
# Source: https://kubernetes.io/docs/reference/networking/ports-and-protocols/
script=firewall
option_networks=''
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

networks() { tr , '\n' <<<"$option_networks"; }

# Its output is taken as a whole: a program whose reader leaves early fails.
ufw_is_on() { command -v ufw >/dev/null && grep -q '^Status: active' <<<"$(ufw status)"; }
ufw_lets_through() {
  local network shown status
  ufw_is_on || return 0
  status=$(ufw status verbose)
  grep -qE '^Default:.*allow \(routed\)' <<<"$status" || return 1
  for network in $(networks); do
    shown=${network%/32}  # as ufw prints the address of one machine
    grep -qE "^Anywhere +ALLOW( IN)? +${shown//./\\.}( |\$)" <<<"$status" || return 1
  done
}
open_ufw() {
  local network
  for network in $(networks); do ufw allow from "$network"; done
  ufw default allow routed
}

firewalld_is_on() { command -v firewall-cmd >/dev/null && firewall-cmd --state >/dev/null 2>&1; }
firewalld_lets_through() {
  local network
  firewalld_is_on || return 0
  for network in $(networks); do
    firewall-cmd --quiet --zone=trusted --query-source="$network" || return 1
    firewall-cmd --quiet --permanent --zone=trusted --query-source="$network" || return 1
  done
}
open_firewalld() {
  local network
  for network in $(networks); do
    firewall-cmd --permanent --zone=trusted --add-source="$network"
    firewall-cmd --zone=trusted --add-source="$network"
  done
}

main() {
  read_options "networks" "$@"
  require_option networks '[0-9./]+(,[0-9./]+)*'
  need "ufw keeps the cluster's nodes and pods apart" ufw_lets_through open_ufw
  need "firewalld keeps the cluster's nodes and pods apart" firewalld_lets_through open_firewalld
  finish
}
main "$@"
