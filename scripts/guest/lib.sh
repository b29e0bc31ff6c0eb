# What the scripts beside it have in common. gpuplan holds them with this in front, see README.md.
# shellcheck shell=bash
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C

script=${script:-guest}  # its name, which each of them sets
readonly incomplete=10  # the exit status of --check if something is missing
checking=no
lacking=0

die() { echo "error: $*" >&2; exit 1; }

# read_options "NAME…" ARGUMENT…: --NAME VALUE goes to option_NAME ("-" as "_"); --check to `checking`.
# The first argument may be the script's own name.
read_options() {
  local name known
  read -ra known <<<"$1"
  shift
  if [ "${1:-}" = "$script" ]; then shift; fi
  while [ $# -gt 0 ]; do
    name=${1#--}
    if [ "$1" = --check ]; then
      checking=yes
      shift
    elif [[ $1 == --* && " ${known[*]} " == *" $name "* && $# -ge 2 ]]; then
      printf -v "option_${name//-/_}" %s "$2"
      shift 2
    else
      echo "error: $script.sh: cannot use '$1' (known: --check$(printf ' --%s VALUE' "${known[@]}"))" >&2
      exit 64
    fi
  done
  if [ "$checking" = no ]; then exec 2>&1; fi  # one stream, in the order in which things happened
}

# require_option NAME PATTERN: its value has to match as a whole.
require_option() {
  local variable=option_${1//-/_}
  [[ ${!variable} =~ ^($2)$ ]] || die "$script.sh: --$1 '${!variable}' is not one (expected: $2)"
}

# need TEXT CHECK FIX: TEXT says what is missing if the function CHECK fails; FIX then brings it about.
need() {
  local text=$1 check=$2 fix=$3
  if "$check" </dev/null; then return; fi
  lacking=$((lacking + 1))
  echo "$text"
  if [ "$checking" = yes ]; then return; fi
  "$fix" </dev/null
  "$check" </dev/null || die "$text, and $script.sh could not change that; look at the node: gpuplan ssh $(uname -n)"
}

finish() {
  if [ "$checking" = yes ]; then [ "$lacking" -eq 0 ] || exit "$incomplete"; fi
  [ "$lacking" -gt 0 ] || [ "$checking" = yes ] || echo "nothing to do"
}

# file_is PATH CONTENT
file_is() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# write_file PATH CONTENT: whole or not at all.
write_file() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "$2" >"$1.gpuplan-new"
  chmod 0644 "$1.gpuplan-new"
  mv -f "$1.gpuplan-new" "$1"
}

system_value() { sed -n "s/^$1=//p" /etc/os-release | tr -d '"'; }

# Where packages are to be installed, it has to be a system that this was written for.
require_known_system() {
  case "$(system_value ID) $(system_value VERSION_ID)" in
    "debian 12" | "ubuntu 22.04" | "ubuntu 24.04") ;;
    *) die "$script.sh installs packages on Debian 12, Ubuntu 22.04 and 24.04, and this is" \
         "$(system_value PRETTY_NAME): use an image that has them" ;;
  esac
}

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# The lock of dpkg apt-get waits for by itself. Those of its lists and its downloads it does not, which apt-daily holds for
# minutes after a boot.
lock_limit=600  # seconds
apt_locks='/var/lib/apt/lists/lock|/var/cache/apt/archives/lock'
# apt_once FILE ARGUMENT…: what apt-get prints goes to FILE as well.
apt_once() {
  local output=$1 waited=0 holder
  shift
  until apt-get -q -o "DPkg::Lock::Timeout=$lock_limit" -o Acquire::Retries=2 -o APT::Update::Error-Mode=any \
    -o Dpkg::Options::=--force-confold "$@" 2>&1 | tee "$output"; do
    holder=$(sed -nE "s,^E: Could not get lock ($apt_locks)[. ]*,,p" "$output" | head -n 1)
    [ -n "$holder" ] || return 1
    [ "$waited" -lt "$lock_limit" ] || die "another program has kept apt's lock on $(uname -n) for $lock_limit seconds" \
      "($holder): wait for it to end, or end it, then try again"
    [ "$waited" -gt 0 ] || echo "another program has apt's lock; waiting for it, up to $lock_limit seconds"
    sleep 10
    waited=$((waited + 10))
  done
}

# Waits while something else has the packages' locks, and tries again what a network does not give at once. By itself
# `apt-get update` succeeds when nothing could be fetched. In the end apt_error is what apt-get itself called an error.
apt_error=''
try_apt() {
  local try output
  output=$(mktemp)
  for try in 1 2 3 4 5; do
    if apt_once "$output" "$@"; then
      rm -f "$output"
      return
    fi
    apt_error=$(grep '^E: ' "$output" | tail -n 1) || apt_error="exit status other than 0"
    if [ "$try" -eq 5 ]; then break; fi
    echo "apt-get $1 failed; once more in $((try * 5)) seconds"
    sleep $((try * 5))
    dpkg --configure -a || true  # what a power cut left half done
  done
  rm -f "$output"
  return 1
}

lists_are_fresh=no
refresh_lists() {
  require_known_system
  if [ "$lists_are_fresh" = no ] && ! try_apt update; then
    echo "some package lists could not be fetched; what is asked for may be in the others"
  fi
  lists_are_fresh=yes
}
# has_candidate PACKAGE: some package source has it.
has_candidate() {
  refresh_lists
  apt-cache show "$1" >/dev/null 2>&1
}
install_packages() {
  refresh_lists
  try_apt install --yes --no-install-recommends "$@" || die "apt-get install $* failed five times: ${apt_error#E: }"
}

# download URL FILE
download() {
  local reason
  command -v curl >/dev/null || install_packages curl ca-certificates
  reason=$(curl --fail --silent --show-error --location --proto '=https,http' --retry 4 --retry-connrefused \
    --connect-timeout 20 --max-time 900 --output "$2" "$1" 2>&1) || die "cannot download $1: ${reason##*$'\n'}"
}
