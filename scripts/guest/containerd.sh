#!/usr/bin/env bash
# The container runtime, as the kubelet wants it: CRI enabled, cgroups through systemd, network plugins where they are
# installed to. One that is there already is kept; its configuration is replaced only if it does not fit, and saved.
#   containerd.sh [--check] --kubernetes X.Y[.Z]
# Sources: https://kubernetes.io/docs/setup/production-environment/container-runtimes/#containerd
#          https://github.com/containerd/containerd/blob/main/docs/cri/config.md
script=containerd
option_kubernetes=''
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

config=/etc/containerd/config.toml
# containerd 2 has no CRI v1alpha2, without which no kubelet starts up to 1.22: https://containerd.io/releases/#kubernetes-support
first_kubernetes_with_2=23
first_kubernetes_without_v1=36  # the last with containerd 1.x is Kubernetes 1.35

has_containerd() { command -v containerd >/dev/null && command -v runc >/dev/null; }
install_containerd() { install_packages containerd; }

containerd_major() { containerd --version | sed -E 's/.* v?([0-9]+)\.[0-9]+\.[0-9]+.*/\1/'; }
kubernetes_minor() {
  local minor=${option_kubernetes#1.}
  echo "${minor%%.*}"
}
fits_kubernetes() {
  has_containerd || return 0
  if [ "$(containerd_major)" -ge 2 ]; then
    [ "$(kubernetes_minor)" -ge "$first_kubernetes_with_2" ]
  else
    [ "$(kubernetes_minor)" -lt "$first_kubernetes_without_v1" ]
  fi
}
cannot_fit() {
  local needs=2 versions="1.$((first_kubernetes_without_v1 - 1)) or older"
  if [ "$(containerd_major)" -ge 2 ]; then needs=1 versions="1.$first_kubernetes_with_2 or newer"; fi
  die "Kubernetes $option_kubernetes needs containerd $needs, and this is $(containerd --version | cut -d' ' -f3-4):" \
    "use an image with containerd $needs, or kubernetes.version $versions"
}

# Mirrors of registries (mirrors.sh) are looked at only where the daemon is told so; containerd 2.2 is by default.
has_mirrors() { grep -qs '^# gpuplan' /etc/containerd/certs.d/*/hosts.toml; }
has_mirrors_configured() {
  ! has_mirrors || awk '/^ *\[/ { registry = ($0 ~ /\.registry\] *$/) }
                        registry && /^ *config_path *=.*\/etc\/containerd\/certs\.d/ { found = 1 }
                        END { exit !found }' <<<"$1"
}

# What the daemon makes of its configuration file and its defaults together, in the names of versions 1 and 2.
is_configured() {
  local effective
  has_containerd || return 1
  effective=$(containerd config dump 2>/dev/null) || return 1
  ! grep -E '^ *disabled_plugins' <<<"$effective" | grep -q cri || return 1
  grep -qE "^ *bin_dirs? *=.*['\"]/opt/cni/bin['\"]" <<<"$effective" || return 1
  has_mirrors_configured "$effective" || return 1
  awk '/^ *\[/ { runc = ($0 ~ /runtimes\.["\047]?runc["\047]?\.options\]/) }
       runc && /SystemdCgroup *= *true/ { found = 1 }
       END { exit !found }' <<<"$effective"
}
configure() {
  if [ -e "$config" ] && [ ! -e "$config.before-gpuplan" ]; then cp -a "$config" "$config.before-gpuplan"; fi
  write_file "$config" "$(containerd config default |
    sed -E -e 's/(SystemdCgroup *= *)false/\1true/' -e "s|^( *config_path *= *)(\"\"\|'')|\1\"/etc/containerd/certs.d\"|")"
}

# Running, since its configuration and the certificates that it reads at its start were last written, and at every boot.
runs() {
  local started file
  systemctl is-active --quiet containerd && systemctl is-enabled --quiet containerd || return 1
  started=$(date -d "$(systemctl show --property=ActiveEnterTimestamp --value containerd)" +%s) || return 1
  for file in "$config" /usr/local/share/ca-certificates/gpuplan-*.crt; do
    if [ -e "$file" ] && [ "$(stat -c %Y "$file")" -gt "$started" ]; then return 1; fi
  done
}
start() {
  systemctl enable containerd
  systemctl restart containerd
}

answers_cri() { ctr plugins list 2>/dev/null | awk '$1 == "io.containerd.grpc.v1" && $2 == "cri" && $NF == "ok" { ok = 1 } END { exit !ok }'; }
wait_for_cri() {
  local try
  for try in $(seq 60); do
    if answers_cri; then return; fi
    sleep 1
  done
  journalctl -u containerd -n 30 --no-pager || true
  die "containerd runs, but its CRI plugin does not after $try seconds; the last line of its journal:" \
    "$(journalctl -u containerd -n 1 -o cat --no-pager)"
}

main() {
  read_options "kubernetes" "$@"
  require_option kubernetes '1\.[0-9]{1,3}(\.[0-9]{1,3})?'
  need "containerd is not installed" has_containerd install_containerd
  need "containerd does not go with Kubernetes $option_kubernetes" fits_kubernetes cannot_fit
  need "containerd is not configured for the kubelet (SystemdCgroup, CRI, /opt/cni/bin)" is_configured configure
  need "containerd does not run with its configuration" runs start
  need "containerd does not answer CRI" answers_cri wait_for_cri
  finish
}
main "$@"
