# Sourced by scripts/lab: the disk image that the virtual machines in the lab boot: boot loaders for BIOS and UEFI, the
# lab host's kernel, and an initramfs with a shell and an ssh server.
# shellcheck shell=bash

build_guest_initramfs() {
  local release=$1 files=initramfs library modules packages
  mapfile -t modules < <(words_of "$lab_source/guest_modules")
  mapfile -t packages < <(words_of "$lab_source/guest_packages")
  mkdir -p "$files"/{bin,modules,etc/acpi/PWRF,lib64,usr/lib/x86_64-linux-gnu}
  ln -s usr/lib "$files/lib"
  install "$(command -v busybox)" "$files/bin/busybox"
  install "$lab_source/guest_init" "$files/init"
  echo 'root:x:0:0:root:/root:/bin/sh' >"$files/etc/passwd"
  printf '#!/bin/sh\npoweroff -f\n' >"$files/etc/acpi/PWRF/00000080"
  chmod +x "$files/etc/acpi/PWRF/00000080"
  ordered_modules "$stage_kernel/tree" "$release" "$files/modules" "${modules[@]}"

  unpack packages "${packages[@]}"
  cp packages/usr/sbin/dropbear packages/usr/lib/dropbear/dropbearconvert "$files/bin/"
  for library in ld-linux-x86-64 libc libcrypt libz libtomcrypt libtommath libgmp; do
    find packages -name "$library.so.*" -exec cp -L {} "$files/usr/lib/x86_64-linux-gnu/" \;
  done
  cp -L packages/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 "$files/lib64/"
  cp packages/usr/lib/systemd/boot/efi/systemd-bootx64.efi .
  (cd "$files" && find . -print0 | cpio --null --create --quiet --format=newc | gzip -9) >initrd.gz
}

build_guest() {
  local release at=1048576 options='console=ttyS0 quiet panic=5'
  release=$(ls "$stage_kernel/tree/lib/modules")
  build_guest_initramfs "$release"
  printf '%s\n' 'default linux' 'prompt 0' 'label linux' '  kernel vmlinuz' "  append initrd=initrd.gz $options" >syslinux.cfg
  printf '%s\n' 'title linux' 'linux /vmlinuz' 'initrd /initrd.gz' "options $options" >linux.conf
  truncate -s 49M disk.img
  echo 'start=2048, type=ef, bootable' | sfdisk -q disk.img
  dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk.img conv=notrunc status=none
  mkfs.vfat -F 16 --offset $((at / 512)) disk.img $((48 * 1024)) >/dev/null
  mmd -i "disk.img@@$at" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
  mcopy -i "disk.img@@$at" systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "disk.img@@$at" linux.conf ::/loader/entries/
  mcopy -i "disk.img@@$at" "$stage_kernel/vmlinuz" initrd.gz syslinux.cfg ::
  syslinux --offset "$at" --install disk.img
  qemu-img convert -O qcow2 disk.img guest.qcow2
  rm -rf disk.img initramfs packages systemd-bootx64.efi linux.conf
}
