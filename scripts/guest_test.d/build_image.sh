# Sourced by scripts/guest_test: the disk that the guests boot: a boot loader for BIOS and one for UEFI, Debian 12 with its
# cloud kernel, cloud-init and ssh, containerd as Debian installs it, and the stand-ins.
# shellcheck shell=bash

# Nothing that runs by itself may compete for the emulated processor.
guest_masked_units=(
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer e2scrub_reap.service
  getty@tty1.service systemd-pstore.service
)

build_root() {
  mmdebstrap --mode=root --variant=minbase --quiet \
    --include="$(words_of "$lab_source/guest_packages" | paste -sd,)" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --essential-hook="cp -r '$lab_source/initramfs' \"\$1/etc/initramfs-tools\"" \
    bookworm tree "$lab_mirror"
}

# The system itself, with what makes it one of ours.
prepare_tree() {
  local program unit
  for unit in "${guest_masked_units[@]}"; do ln -sf /dev/null "tree/etc/systemd/system/$unit"; done
  cp -r --no-preserve=ownership "$lab_source/image_files/." tree/
  # As in a cloud image: who it is, it learns from its seed; and it has no packages to fetch.
  : >tree/etc/machine-id
  : >tree/etc/fstab
  rm -f tree/etc/ssh/ssh_host_*_key* tree/etc/hostname tree/etc/apt/sources.list
  install -D -m755 "$standin" tree/usr/local/lib/guest-standin/guest-standin
  for program in kubeadm kubelet kubectl helm guest-standin-api; do
    ln -s ../lib/guest-standin/guest-standin "tree/usr/local/bin/$program"
  done
  for unit in kubelet guest-standin-api; do
    mkdir -p tree/etc/systemd/system/multi-user.target.wants
    ln -s "../$unit.service" "tree/etc/systemd/system/multi-user.target.wants/$unit.service"
  done
  install -d -m700 tree/var/lib/guest-standin
  echo '{"kubeadm_version": "v1.34.2", "helm_version": "v4.2.2"}' >tree/var/lib/guest-standin/state.json
}

# One kernel for both kinds of firmware; what is there of each is found by itself.
fill_boot_partition() {
  local image=$1 loader=$stage_root/tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi
  local options='root=/dev/vda2 rw console=ttyS0 quiet net.ifnames=0 mitigations=off'
  printf '%s\n' 'default linux' 'prompt 0' 'label linux' '  kernel vmlinuz' "  append initrd=initrd.img $options" >syslinux.cfg
  printf '%s\n' 'title linux' 'linux /vmlinuz' 'initrd /initrd.img' "options $options" >linux.conf
  mmd -i "$image" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
  mcopy -i "$image" "$loader" ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "$image" linux.conf ::/loader/entries/
  mcopy -i "$image" vmlinuz initrd.img syslinux.cfg ::
  rm syslinux.cfg linux.conf
}

# A partition that the boot loaders read, and one for everything else.
build_image() {
  local at=1048576 boot_mib=64
  cp -a --one-file-system "$stage_root/tree" tree
  cp tree/boot/vmlinuz-* vmlinuz
  cp tree/boot/initrd.img-* initrd.img
  prepare_tree
  rm -rf tree/boot/* tree/var/lib/apt/lists/* tree/var/cache/apt/*
  truncate -s 2G disk.img
  printf 'start=2048, size=%dM, type=ef, bootable\nstart=%d, type=83\n' $boot_mib $((2048 + boot_mib * 2048)) |
    sfdisk -q disk.img
  dd if=/usr/lib/syslinux/mbr/mbr.bin of=disk.img conv=notrunc status=none
  mkfs.vfat -F 16 --offset $((at / 512)) disk.img $((boot_mib * 1024)) >/dev/null
  fill_boot_partition "disk.img@@$at"
  syslinux --offset "$at" --install disk.img
  truncate -s $((2048 - boot_mib - 1))M root.img
  mke2fs -q -t ext4 -E lazy_itable_init=0,nodiscard -d tree root.img
  dd if=root.img of=disk.img bs=1M seek=$((boot_mib + 1)) conv=notrunc,sparse status=none
  qemu-img convert -O qcow2 disk.img guest.qcow2
  rm -rf disk.img root.img tree vmlinuz initrd.img
}
