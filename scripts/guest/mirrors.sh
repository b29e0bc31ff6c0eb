#!/usr/bin/env bash
# Where a node fetches from instead of the internet, and whose certificates it trusts: package sources, mirrors of registries
# for containerd, time servers, certificate authorities. What an entry replaces is kept, and comes back when the entry goes.
#   mirrors.sh [--check] --kubernetes X.Y --entries NAME=VALUE[,NAME=VALUE…]
#   mirrors.sh --show yes     prints the entries that are in effect, one per line
# Names: packages.{ubuntu,debian,debian-security,kubernetes,nvidia} and registries.HOST with a URL, keys.PACKAGES and
# ca_certificates.FILE with sha256:… of the file of that name in $files, time with servers.
# Sources: https://github.com/containerd/containerd/blob/main/docs/hosts.md
#          https://manpages.debian.org/bookworm/apt/sources.list.5.en.html
script=mirrors
option_kubernetes='' option_entries='' option_show=no
# shellcheck source=scripts/guest/lib.sh
declare -F need >/dev/null || source "$(dirname "$0")/lib.sh"

files=/var/lib/gpuplan/mirrors
record=$files/record  # the entries, behind "# X.Y" of Kubernetes
saved=$files/saved    # what was replaced
trusted=/usr/local/share/ca-certificates
sources=/etc/apt/sources.list.d
keyrings=/etc/apt/keyrings
certs_d=/etc/containerd/certs.d
time_file=/etc/systemd/timesyncd.conf.d/90-gpuplan.conf

declare -A wanted=()
# read_entries TEXT: one NAME=VALUE per line.
read_entries() {
  local entry
  wanted=()
  while IFS= read -r entry; do
    if [[ $entry == *=* ]]; then wanted[${entry%%=*}]=${entry#*=}; fi
  done <<<"$1"
}
# names PREFIX: of the entries PREFIX.NAME, each as NAME.
names() {
  local name
  for name in "${!wanted[@]}"; do
    if [[ $name == "$1".* ]]; then echo "${name#"$1".}"; fi
  done | sort
}
value() { echo "${wanted[$1]:-}"; }
recorded() { grep -qs "^$1=" "$record"; }

has_digest() { [ -e "$1" ] && [ "sha256:$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }
# given NAME: the file that was put there for an entry; fails if it is not that one.
given() {
  has_digest "$files/$1" "$(value "$1")" || die "$files/$1 is not the file that the entry $1 is about"
  echo "$files/$1"
}
install_file() {
  mkdir -p "$(dirname "$2")"
  chmod 0755 "$(dirname "$2")"
  install -m 0644 "$1" "$2"
}

# ---------------------------------------------------------------- certificates

certificate_is_trusted() {
  has_digest "$trusted/gpuplan-$1.crt" "$(value "ca_certificates.$1")" && [ -e "/etc/ssl/certs/gpuplan-$1.pem" ]
}
others_trusted() {
  local file name
  for file in "$trusted"/gpuplan-*.crt; do
    name=$(basename "$file" .crt)
    if [ -e "$file" ] && [ -z "$(value "ca_certificates.${name#gpuplan-}")" ]; then echo "$file"; fi
  done
}
certificates_are_trusted() {
  local name
  for name in $(names ca_certificates); do certificate_is_trusted "$name" || return 1; done
  [ -z "$(others_trusted)" ]
}
trust_certificates() {
  local name file links=()
  command -v update-ca-certificates >/dev/null || install_packages ca-certificates
  for file in $(others_trusted); do
    rm -f "$file"
    links=(--fresh)  # by itself it leaves the links to what is gone
  done
  for name in $(names ca_certificates); do
    file=$(given "ca_certificates.$name")
    install_file "$file" "$trusted/gpuplan-$name.crt"
  done
  update-ca-certificates "${links[@]}"
}

# ---------------------------------------------------------------- packages

distribution() { system_value ID; }
codename() { system_value VERSION_CODENAME; }
system() { echo "$(distribution)$(system_value VERSION_ID | tr -d .)"; }

# key_of PACKAGES: where the key of a mirror is, if the spec has one for it.
key_of() { if [ -n "$(value "keys.$1")" ]; then echo "$keyrings/gpuplan-$1.asc"; fi; }
key_is_there() { [ -z "$(key_of "$1")" ] || has_digest "$(key_of "$1")" "$(value "keys.$1")"; }
add_key() {
  local file
  if [ -z "$(key_of "$1")" ]; then rm -f "$keyrings/gpuplan-$1.asc"; return; fi
  file=$(given "keys.$1")
  install_file "$file" "$(key_of "$1")"
}

stanza() {
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: %s\nSigned-By: %s\n' "$@"
}
distribution_sources() {
  local url security archive
  url=$(value "packages.$(distribution)")
  archive=/usr/share/keyrings/$(distribution)-archive-keyring.gpg
  archive=$(key_of "$(distribution)" | grep . || echo "$archive")
  case $(distribution) in
    ubuntu) stanza "$url" "$(codename) $(codename)-updates $(codename)-security" "main restricted universe multiverse" "$archive" ;;
    debian)
      stanza "$url" "$(codename) $(codename)-updates" "main contrib" "$archive"
      security=$(value packages.debian-security)
      if [ -n "$security" ]; then
        archive=$(key_of debian-security | grep . || echo "$archive")
        echo
        stanza "$security" "$(codename)-security" "main contrib" "$archive"
      fi
      ;;
  esac
}
distribution_file=$sources/gpuplan-distribution.sources
own_sources() { printf '%s\n' /etc/apt/sources.list "$sources"/{ubuntu,debian,gpuplan-contrib}.sources; }
cuda_sources() { printf '%s\n' "$sources"/cuda-*.list; }
has_apt() { [ -d /etc/apt ]; }

# put_aside FILE…, put_back FILE…: what stays is where apt does not look.
are_aside() {
  local file
  for file in "$@"; do [ ! -e "$file" ] || return 1; done
}
put_aside() {
  local file
  mkdir -p "$saved"
  for file in "$@"; do
    if [ -e "$file" ]; then mv -f "$file" "$saved/"; fi
  done
}
put_back() {
  local file
  for file in "$@"; do
    if [ -e "$saved/$(basename "$file")" ]; then mv -f "$saved/$(basename "$file")" "$file"; fi
  done
}

distribution_is_mirrored() {
  has_apt || return 0
  if [ -z "$(value "packages.$(distribution)")" ]; then [ ! -e "$distribution_file" ]; return; fi
  key_is_there "$(distribution)" && key_is_there debian-security && file_is "$distribution_file" "$(distribution_sources)" || return 1
  mapfile -t found < <(own_sources)
  are_aside "${found[@]}"
}
mirror_distribution() {
  mapfile -t found < <(own_sources)
  add_key "$(distribution)"
  add_key debian-security
  if [ -z "$(value "packages.$(distribution)")" ]; then
    rm -f "$distribution_file"
    put_back "${found[@]}"
    return
  fi
  write_file "$distribution_file" "$(distribution_sources)"
  put_aside "${found[@]}"
  lists_are_fresh=no
}

# Of Kubernetes it is the file that kubernetes.sh would write.
kubernetes_key=$keyrings/kubernetes-apt-keyring.asc
kubernetes_list=$sources/kubernetes.list
kubernetes_repository() { echo "$(value packages.kubernetes)/core:/stable:/v$option_kubernetes/deb/"; }
kubernetes_line() { echo "deb [signed-by=$kubernetes_key] $(kubernetes_repository) /"; }
kubernetes_is_mirrored() {
  has_apt || return 0
  if [ -z "$(value packages.kubernetes)" ]; then
    if recorded packages.kubernetes; then return 1; fi
    return 0
  fi
  file_is "$kubernetes_list" "$(kubernetes_line)" && [ -s "$kubernetes_key" ] || return 1
  [ -z "$(value keys.kubernetes)" ] || has_digest "$kubernetes_key" "$(value keys.kubernetes)"
}

nvidia_key=$keyrings/gpuplan-nvidia.asc
nvidia_list=$sources/gpuplan-nvidia.list
nvidia_repository() { echo "$(value packages.nvidia)/$(system)/x86_64/"; }
nvidia_line() { echo "deb [signed-by=$nvidia_key] $(nvidia_repository) /"; }
nvidia_is_mirrored() {
  has_apt || return 0
  if [ -z "$(value packages.nvidia)" ]; then [ ! -e "$nvidia_list" ]; return; fi
  file_is "$nvidia_list" "$(nvidia_line)" && [ -s "$nvidia_key" ] || return 1
  [ -z "$(value keys.nvidia)" ] || has_digest "$nvidia_key" "$(value keys.nvidia)" || return 1
  mapfile -t found < <(cuda_sources)
  are_aside "${found[@]}"
}

# fetch_key PACKAGES URL FILE: from the spec, or else the one that lies in the mirror as it does where it is published.
fetch_key() {
  local fresh
  if [ -n "$(value "keys.$1")" ]; then
    fresh=$(given "keys.$1")
    install_file "$fresh" "$3"
    return
  fi
  fresh=$(mktemp)
  download "$2" "$fresh"
  install_file "$fresh" "$3"
  rm -f "$fresh"
}
mirror_kubernetes() {
  if [ -z "$(value packages.kubernetes)" ]; then
    rm -f "$kubernetes_list" "$kubernetes_key"
    sed -i '/^packages\.kubernetes=/d' "$record"
    return
  fi
  fetch_key kubernetes "$(kubernetes_repository)Release.key" "$kubernetes_key"
  write_file "$kubernetes_list" "$(kubernetes_line)"
  lists_are_fresh=no
}
mirror_nvidia() {
  local file
  if [ -z "$(value packages.nvidia)" ]; then
    rm -f "$nvidia_list" "$nvidia_key"
    for file in "$saved"/cuda-*.list; do put_back "$sources/$(basename "$file")"; done
    return
  fi
  fetch_key nvidia "$(nvidia_repository)3bf863cc.pub" "$nvidia_key"
  write_file "$nvidia_list" "$(nvidia_line)"
  mapfile -t found < <(cuda_sources)
  put_aside "${found[@]}"
  lists_are_fresh=no
}

# ---------------------------------------------------------------- registries

# The mirror is the server, and not a host in front of it: what it does not have is asked of nobody else. containerd adds
# /v2 to a path, unless that has it already and is told to be whole.
hosts_toml() {
  local url
  url=$(value "registries.$1")
  printf '# gpuplan: mirrors.registries.%s\nserver = "%s"\ncapabilities = ["pull", "resolve"]\n' "$1" "$url"
  if [[ $url == *://*/v2/* ]]; then echo 'override_path = true'; fi
}
registry_is_mirrored() { file_is "$certs_d/$1/hosts.toml" "$(hosts_toml "$1")"; }
# Directories of ours that no entry is about.
other_registries() {
  local file name
  for file in "$certs_d"/*/hosts.toml; do
    name=$(basename "$(dirname "$file")")
    if grep -qs '^# gpuplan' "$file" && [ -z "$(value "registries.$name")" ]; then echo "$name"; fi
  done
}
registries_are_mirrored() {
  local name
  for name in $(names registries); do registry_is_mirrored "$name" || return 1; done
  [ -z "$(other_registries)" ]
}
mirror_registries() {
  local name file
  for name in $(other_registries); do
    file=$certs_d/$name/hosts.toml
    rm -f "$file"
    if [ -e "$file.before-gpuplan" ]; then mv -f "$file.before-gpuplan" "$file"; else rmdir --ignore-fail-on-non-empty "$certs_d/$name"; fi
  done
  for name in $(names registries); do
    file=$certs_d/$name/hosts.toml
    if [ -e "$file" ] && ! grep -q '^# gpuplan' "$file"; then mv -f "$file" "$file.before-gpuplan"; fi
    write_file "$file" "$(hosts_toml "$name")"
  done
}

# ---------------------------------------------------------------- time

time_text() { printf '[Time]\nNTP=%s\nFallbackNTP=\n' "$(value time)"; }
time_is_local() {
  if [ -z "$(value time)" ]; then [ ! -e "$time_file" ]; else file_is "$time_file" "$(time_text)"; fi
}
set_time_servers() {
  if [ -n "$(value time)" ]; then
    write_file "$time_file" "$(time_text)"
  else
    rm -f "$time_file"
    rmdir --ignore-fail-on-non-empty "$(dirname "$time_file")"
  fi
  if systemctl is-active --quiet systemd-timesyncd; then systemctl restart systemd-timesyncd; fi
}

# ---------------------------------------------------------------- all of it

lines_of_record() { grep -v '^#' "$record" 2>/dev/null || true; }
is_recorded() { [ "$(lines_of_record)" = "$(sorted_entries)" ]; }
sorted_entries() { tr , '\n' <<<"$option_entries" | grep . | sort || true; }
record_entries() {
  local file
  if [ -n "$option_entries" ]; then
    write_file "$record" "$(echo "# $option_kubernetes"; sorted_entries)"
  else
    rm -f "$record"
  fi
  for file in "$files"/keys.* "$files"/ca_certificates.*; do
    if [ -e "$file" ] && [ -z "$(value "$(basename "$file")")" ]; then rm -f "$file"; fi
  done
}

# is_in_effect NAME, of what is recorded.
is_in_effect() {
  case $1 in
    ca_certificates.*) certificate_is_trusted "${1#ca_certificates.}" ;;
    registries.*) registry_is_mirrored "${1#registries.}" ;;
    *.kubernetes) kubernetes_is_mirrored ;;
    *.nvidia) nvidia_is_mirrored ;;
    time) time_is_local ;;
    *) distribution_is_mirrored ;;
  esac
}
show() {
  local name
  read_entries "$(lines_of_record)"
  option_kubernetes=$(sed -n 's/^# //p' "$record" 2>/dev/null || true)
  for name in $(printf '%s\n' "${!wanted[@]}" | sort); do
    if is_in_effect "$name"; then echo "$name=$(value "$name")"; fi
  done
}

main() {
  shopt -s nullglob
  read_options "kubernetes entries show" "$@"
  if [ "$option_show" = yes ]; then
    show
    return
  fi
  require_option kubernetes '1\.[0-9]{1,3}'
  require_option entries '([a-z_]+(\.[A-Za-z0-9._:-]+)?=[A-Za-z0-9 ._~:/%+-]+(,|$))*'
  read_entries "$(sorted_entries)"
  need "certificates are not trusted, or should not be any more" certificates_are_trusted trust_certificates
  need "packages of the system do not come from where they should" distribution_is_mirrored mirror_distribution
  need "packages of Kubernetes do not come from where they should" kubernetes_is_mirrored mirror_kubernetes
  need "packages of NVIDIA do not come from where they should" nvidia_is_mirrored mirror_nvidia
  need "images do not come from where they should" registries_are_mirrored mirror_registries
  need "the time does not come from where it should" time_is_local set_time_servers
  need "the mirrors are not recorded" is_recorded record_entries
  finish
}
main "$@"
