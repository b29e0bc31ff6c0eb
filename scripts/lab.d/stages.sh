# Sourced by scripts/lab: what the lab is built from, in stages that are kept between uses.
# shellcheck shell=bash

lab_cache=${XDG_CACHE_HOME:-$HOME/.cache}/gpuplan-lab
lab_source=$root/scripts/lab.d
lab_mirror=${GPUPLAN_LAB_MIRROR:-http://deb.debian.org/debian}

# Where each stage is, once stage() has been called.
stage_root='' stage_kernel='' stage_guest='' stage_image=''

# What building and running the lab needs on this machine.
lab_packages=(
  qemu-system-x86 qemu-utils mmdebstrap e2fsprogs cpio kmod make gcc-12 busybox-static
  syslinux syslinux-common mtools dosfstools fdisk openssh-client python3 ca-certificates
)

# Installs the missing ones of $lab_packages.
install_lab_packages() {
  local package missing=()
  for package in "${lab_packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  # shellcheck disable=SC1091
  if [ "$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" != bookworm ]; then
    lab_fail "the lab is built from Debian 12's packages and this is no Debian 12: use a container or VM of it"
  fi
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" -ne 0 ]; then lab_fail "as root: apt-get install --no-install-recommends ${missing[*]}"; fi
  echo "lab: installing ${missing[*]}" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# stage NAME INPUT…: the directory of a stage, built by build_NAME in a directory of its own unless it is there
# with the same inputs. The path goes to stage_NAME. Inputs are files and directories of scripts/lab.d, or words.
stage() {
  local name=$1 key directory log seconds=$SECONDS
  shift
  key=$(stage_key "$@")
  directory=$lab_cache/$name-$key
  printf -v "stage_$name" %s "$directory"
  if [ -d "$directory" ]; then touch "$directory"; return; fi
  rm -rf "$lab_cache/$name".{new,log}
  mkdir -p "$lab_cache/$name.new"
  log=$lab_cache/$name.log
  echo "lab: building $name (log: $log)" >&2
  # In the background, as errexit is off inside a condition.
  (set -e; cd "$lab_cache/$name.new"; "build_$name") >"$log" 2>&1 &
  if ! wait $!; then
    tail -n 20 "$log" >&2
    lab_fail "building $name failed; the whole log: $log"
  fi
  find "$lab_cache" -mindepth 1 -maxdepth 1 -name "$name-*" -mtime +7 -exec rm -rf {} +
  mv "$lab_cache/$name.new" "$directory"
  echo "lab: built $name in $((SECONDS - seconds)) s" >&2
}

stage_key() {
  local input
  {
    echo "$lab_mirror"
    for input in "$@"; do
      echo "$input"
      if [ -e "$lab_source/$input" ]; then
        (cd "$lab_source" && find "$input" -type f -print0 | sort -z | xargs -0 sha256sum)
      fi
    done
  } | sha256sum | cut -c1-16
}

# The words of list files, without comments.
words_of() { sed 's/#.*//' "$@" | xargs -n1; }

# All stages; the slow ones side by side.
build_lab() {
  local system
  mkdir -p "$lab_cache"
  exec {lab_build_lock}>"$lab_cache/build.lock"
  flock "$lab_build_lock"
  stage root build_root.sh root_packages &
  system=$!
  stage kernel build_kernel.sh kernel_modules guest_modules nvidia initrd_init
  stage guest build_guest.sh guest_init guest_modules guest_packages "$stage_kernel"
  wait "$system"
  stage root build_root.sh root_packages
  stage image build_image.sh image_files "$stage_root" "$stage_kernel" "$stage_guest"
  exec {lab_build_lock}>&-
}
