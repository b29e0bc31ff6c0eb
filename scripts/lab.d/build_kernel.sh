# Sourced by scripts/lab: the lab host's kernel, its modules with the stand-in for the nvidia driver, and an initrd.
# shellcheck shell=bash

# The one that a meta package such as linux-image-amd64 stands for: linux-image-6.1.0-56-amd64.
real_package() { apt-cache depends "$1" | sed -n 's/^ *Depends: //p' | grep -m1 '[0-9]\.[0-9]'; }

# unpack DIRECTORY PACKAGE…
unpack() {
  local directory=$1 package
  shift
  mkdir -p debs "$directory"
  # As root apt would rather download as a user that cannot write here.
  (cd debs && apt-get -o APT::Sandbox::User=root download -qq "$@")
  for package in "$@"; do dpkg-deb -x debs/"$package"_*.deb "$directory"; done
  rm -rf debs
}

# The paths of modules after those that they depend on.
with_dependencies() {
  local tree=$1 release=$2
  shift 2
  modprobe -d "$tree" -S "$release" --show-depends -a "$@" | sed -n 's/^insmod //p' | awk '!seen[$1]++ {print $1}'
}

# copy_modules FROM TO RELEASE NAME…: into a tree of the same form.
copy_modules() {
  local from=$1 to=$2 release=$3 path
  shift 3
  depmod -b "$from" "$release"
  with_dependencies "$from" "$release" "$@" |
    while read -r path; do install -D -m644 "$path" "$to/${path#"$from"/}"; done
  cp "$from/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} "$to/lib/modules/$release/"
}

# ordered_modules TREE RELEASE DIRECTORY NAME…: side by side in a directory, whose file "order" names them in the
# order for insmod.
ordered_modules() {
  local tree=$1 release=$2 directory=$3 path
  shift 3
  with_dependencies "$tree" "$release" "$@" |
    while read -r path; do
      cp "$path" "$directory/"
      basename "$path" >>"$directory/order"
    done
}

build_nvidia_module() {
  local release=$1 headers
  headers=$PWD/headers/usr/src/linux-headers-$release
  unpack headers "linux-headers-$release" "linux-headers-${release%-amd64}-common" linux-kbuild-6.1
  sed -i "s|^include /usr/src|include $PWD/headers/usr/src|" "$headers/Makefile"
  cp -r "$lab_source/nvidia" nvidia
  make -C "$headers" M="$PWD/nvidia" modules
  install -D -m644 nvidia/nvidia.ko "tree/lib/modules/$release/extra/nvidia.ko"
  rm -rf headers nvidia
}

build_initrd() {
  local release=$1
  mkdir -p initrd/{bin,dev,proc,sys,new,modules}
  install "$(command -v busybox)" initrd/bin/busybox
  install "$lab_source/initrd_init" initrd/init
  ordered_modules "$PWD/tree" "$release" initrd/modules virtio_pci virtio_blk ext4 crc32c_generic
  (cd initrd && find . -print0 | cpio --null --create --quiet --format=newc | gzip -1) >initrd.gz
  rm -rf initrd
}

build_kernel() {
  local package release modules
  package=$(real_package linux-image-amd64)
  release=${package#linux-image-}
  unpack all "$package"
  mapfile -t modules < <(words_of "$lab_source"/{kernel,guest}_modules)
  copy_modules "$PWD/all" "$PWD/tree" "$release" "${modules[@]}"
  cp "all/boot/vmlinuz-$release" vmlinuz
  echo "$release" >release
  rm -rf all
  build_nvidia_module "$release"
  depmod -b "$PWD/tree" "$release"
  build_initrd "$release"
}
