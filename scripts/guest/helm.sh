#!/usr/bin/env bash
# Helm, for what is installed from charts. One that is there already is left alone, if it is of 3.8 or newer: older ones take
# no charts from registries, and before 3.7 they do not wait for what they uninstall.
#   helm.sh [--check] [--version X.Y.Z] [--repository URL]
# Source: https://helm.sh/docs/intro/install/
script=helm
option_version=4.2.2 option_repository=https://get.helm.sh
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

first_minor_of_3=8

version_of_helm() { helm version --short 2>/dev/null | sed -nE 's/^v([0-9]+\.[0-9]+\.[0-9]+).*/\1/p'; }
has_helm() { [ -n "$(version_of_helm)" ]; }
is_new_enough() {
  local major minor
  IFS=. read -r major minor _ <<<"$(version_of_helm)"
  [ -z "$major" ] || [ "$major" -ge 4 ] || { [ "$major" -eq 3 ] && [ "$minor" -ge "$first_minor_of_3" ]; }
}
refuse_old() {
  die "Helm $(version_of_helm) is here, and 3.$first_minor_of_3 or newer is needed: gpuplan does not change installed versions;" \
    "use an image without it, or one with a newer Helm"
}
install_helm() {
  local machine archive directory
  machine=$(dpkg --print-architecture)
  archive=helm-v$option_version-linux-$machine.tar.gz
  directory=$(mktemp -d)
  download "$option_repository/$archive" "$directory/$archive"
  download "$option_repository/$archive.sha256sum" "$directory/$archive.sha256sum"
  (cd "$directory" && sha256sum --check "$archive.sha256sum") || die "$archive is not what its checksum says"
  tar -C "$directory" -xzf "$directory/$archive"
  install -m 0755 "$directory/linux-$machine/helm" /usr/local/bin/helm
  rm -rf "$directory"
}

main() {
  read_options "version repository" "$@"
  require_option version '[34]\.[0-9]{1,3}\.[0-9]{1,3}'
  require_option repository 'https?://[][A-Za-z0-9._~:/%-]+'
  need "Helm is too old" is_new_enough refuse_old
  need "Helm is not installed" has_helm install_helm
  finish
}
main "$@"
