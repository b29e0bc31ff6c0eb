#!/usr/bin/env bash
# kubeadm, kubelet and kubectl of one minor version, from the project's own package repository, and held there. Where a
# fitting version is installed in any other way, it is left alone.
#   kubernetes.sh [--check] --version X.Y[.Z] [--repository URL]
# Source: https://kubernetes.io/docs/setup/production-environment/tools/kubeadm/install-kubeadm/
script=kubernetes
option_version='' option_repository=https://pkgs.k8s.io
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

key=/etc/apt/keyrings/kubernetes-apt-keyring.asc
list=/etc/apt/sources.list.d/kubernetes.list
first_kubelet_without_cgroup_v1=35
last_minor_with_conntrack=31  # whose kubeadm asks for it, and whose kubelet's package does not bring it

minor() { cut -d. -f1,2 <<<"$option_version"; }
minor_number() { cut -d. -f2 <<<"$option_version"; }
repository() { echo "$option_repository/core:/stable:/v$(minor)/deb/"; }
source_line() { echo "deb [signed-by=$key] $(repository) /"; }

# "1.34.2" of each; empty for one that is not there.
version_of() {
  case $1 in
    kubeadm) kubeadm version -o short 2>/dev/null ;;
    kubelet) kubelet --version 2>/dev/null | awk '{ print $2 }' ;;
    kubectl) kubectl version --client -o json 2>/dev/null | sed -nE '0,/"gitVersion"/s/.*"gitVersion": *"([^"]*)".*/\1/p' ;;
  esac | sed 's/^v//'
}

has_program() { [ -n "$(version_of "$1")" ]; }
fits() { [[ $(version_of "$1") == "$(minor)".* ]]; }
has_none_other() {
  local program
  for program in kubeadm kubelet kubectl; do
    if has_program "$program" && ! fits "$program"; then return 1; fi
  done
}
refuse_other() {
  die "kubeadm $(version_of kubeadm), kubelet $(version_of kubelet), kubectl $(version_of kubectl) are here, and" \
    "Kubernetes $option_version is asked for: gpuplan does not change installed versions; use an image without them," \
    "or one with $(minor)"
}

has_cgroup_v2() { [ "$(minor_number)" -lt "$first_kubelet_without_cgroup_v1" ] || [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; }
cannot_have_cgroup_v2() { die "Kubernetes $option_version needs cgroup v2: use an image that boots with it"; }

has_all() { fits kubeadm && fits kubelet && fits kubectl; }
# A mirror's is there already, with the key that the spec has for it: mirrors.sh.
add_repository() {
  local fresh
  if [ -s "$key" ] && file_is "$list" "$(source_line)"; then return; fi
  fresh=$(mktemp)
  download "$(repository)Release.key" "$fresh"
  write_file "$key" "$(cat "$fresh")"
  rm -f "$fresh"
  write_file "$list" "$(source_line)"
}
install_all() {
  local versions=() package pattern=$option_version
  add_repository
  # "1.34" is any of its packages, "1.34.2" any build of that one.
  if [[ $option_version == *.*.* ]]; then pattern+='-*'; else pattern+='.*'; fi
  for package in kubelet kubeadm kubectl; do versions+=("$package=$pattern"); done
  # crictl, to look at containers where no API answers: from 1.32 on kubeadm's package brings it no more.
  if has_candidate cri-tools; then versions+=(cri-tools); fi
  install_packages "${versions[@]}"
  systemctl enable kubelet
}

has_conntrack() { [ "$(minor_number)" -gt "$last_minor_with_conntrack" ] || command -v conntrack >/dev/null; }
install_conntrack() { install_packages conntrack; }

# Only packages can be held; what an image has in another way, no upgrade replaces.
are_held() {
  local package
  for package in kubelet kubeadm kubectl; do
    if is_installed "$package" && [ "$(dpkg-query -W -f '${db:Status-Want}' "$package")" != hold ]; then return 1; fi
  done
}
hold() {
  local package
  for package in kubelet kubeadm kubectl; do
    if is_installed "$package"; then apt-mark hold "$package"; fi
  done
}

main() {
  read_options "version repository" "$@"
  require_option version '1\.[0-9]{1,3}(\.[0-9]{1,3})?'
  require_option repository 'https?://[][A-Za-z0-9._~:/%-]+'
  need "another version of Kubernetes than $option_version is installed" has_none_other refuse_other
  need "cgroup v2 is not in use" has_cgroup_v2 cannot_have_cgroup_v2
  need "kubeadm, kubelet, kubectl $option_version are not installed" has_all install_all
  need "conntrack is not installed, without which kubeadm $option_version does not begin" has_conntrack install_conntrack
  need "the packages of Kubernetes are not held" are_held hold
  finish
}
main "$@"
