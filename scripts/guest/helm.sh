#!/usr/bin/env bash
# Helm, for what is installed from charts. A Helm 3 or 4 that is there already is left alone.
#   helm.sh [--check] [--version X.Y.Z] [--repository URL]
# Source: https://helm.sh/docs/intro/install/
script=helm
option_version=4.2.2 option_repository=https://get.helm.sh
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

has_helm() { helm version --short 2>/dev/null | grep -qE '^v[34]\.'; }
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
  need "Helm is not installed" has_helm install_helm
  finish
}
main "$@"
