# Sourced by scripts/lab: the lab host's disk, from the other stages.
# shellcheck shell=bash

# Nothing that runs by itself may change what a test looks at, or hold up a boot.
lab_masked_units=(
  apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer
  systemd-tmpfiles-clean.timer e2scrub_reap.service libvirt-guests.service getty@tty1.service serial-getty@ttyS0.service
  systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-pstore.service
)

build_image() {
  local unit release
  release=$(<"$stage_kernel/release")
  cp -a --one-file-system "$stage_root/tree" tree
  cp -a "$stage_kernel/tree/." tree/usr/
  cp -r --no-preserve=ownership "$lab_source/image_files/." tree/
  install -D -m644 "$stage_guest/guest.qcow2" tree/srv/guest.qcow2
  mkdir -p tree/boot/grub
  cp "$stage_kernel/vmlinuz" "tree/boot/vmlinuz-$release"
  cp "$stage_kernel/initrd.gz" "tree/boot/initrd.img-$release"
  for unit in "${lab_masked_units[@]}"; do ln -sf /dev/null "tree/etc/systemd/system/$unit"; done
  ln -sf ../lab-network.service tree/etc/systemd/system/multi-user.target.wants/
  : >tree/etc/fstab
  mkdir -p tree/etc/libvirt/storage/autostart  # as libvirtd does at its first pool, and leaves it
  tr -d - </proc/sys/kernel/random/uuid >tree/etc/machine-id
  # Without any rights, and with those over libvirt.
  chroot tree useradd --create-home --shell /bin/bash somebody
  chroot tree useradd --create-home --shell /bin/bash --groups libvirt vmadmin

  ssh-keygen -q -t ed25519 -N '' -C lab -f id_ed25519
  install -d -m700 tree/root/.ssh
  install -m600 id_ed25519.pub tree/root/.ssh/authorized_keys
  rm -f tree/etc/ssh/ssh_host_{rsa,ecdsa}_key*
  awk '{print "lab", $1, $2}' tree/etc/ssh/ssh_host_ed25519_key.pub >known_hosts

  truncate -s 64G disk.img  # sparse; the VMs' disks are declared with tens of GiB
  mke2fs -q -t ext4 -N 100000 -E lazy_itable_init=0,nodiscard -J size=64 -d tree disk.img
  rm -rf tree
  cp "$stage_kernel/vmlinuz" "$stage_kernel/initrd.gz" .
}
