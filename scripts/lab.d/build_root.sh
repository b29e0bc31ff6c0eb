# Sourced by scripts/lab: the lab host's packages, as a directory tree.
# shellcheck shell=bash

build_root() {
  mmdebstrap --mode=root --variant=minbase --quiet \
    --include="$(words_of "$lab_source/root_packages" | paste -sd,)" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm tree "$lab_mirror"
}
