# Runs in the lab. Prints everything that a run of gpuplan may change and a destroy must give back: the PCI tree,
# device files, units, libvirt's objects, network interfaces, files. Not: gpuplan's state directory, logs, loaded
# kernel modules. Starts few processes: each costs a tenth of a second on an emulated processor.
# shellcheck shell=bash

find /sys/bus/pci/devices/*/ -maxdepth 1 \( -name driver -o -name iommu_group \) -printf 'pci %p %l\n' | sort
grep -H . /sys/bus/pci/devices/*/driver_override /sys/bus/pci/devices/*/power/control /proc/driver/nvidia/gpus/*/unbindLock
# /dev/vfio/vfio comes with the module.
find /dev/vfio /dev/nvidia* /dev/dri /dev/snd ! -type d ! -path /dev/vfio/vfio -printf 'device %p\n' 2>/dev/null | sort
# Not those that systemd and D-Bus start when somebody asks for them, nor driverctl's: once one ran at boot it counts as
# active until the next (RefuseManualStop).
systemctl list-units --type=service --state=active,failed --no-legend --plain |
  awk '$1 !~ /^(systemd-|user@|user-runtime-dir@|session-|libvirtd|virtlogd|virtlockd|polkit|driverctl@)/ {print "unit", $1, $3}'

listed=$(virsh 'list --all --name; net-list --all --name; pool-list --all --name')
if [ -n "${listed//[[:space:]]/}" ]; then
  for domain in $(virsh list --all --name); do
    echo "domain $domain $(virsh domstate "$domain")"
    virsh dumpxml --inactive "$domain" | sed "s/^/domain $domain: /"
  done
  for network in $(virsh net-list --all --name); do
    virsh net-dumpxml "$network" | sed "s/^/network $network: /"
  done
  for pool in $(virsh pool-list --all --name); do
    # Free space is not ours.
    virsh pool-dumpxml "$pool" | grep -v -e '<allocation' -e '<available' | sed "s/^/pool $pool: /"
    virsh vol-list "$pool" | sed "s/^/volume $pool: /"
  done
fi
ip -oneline link | awk '{print "interface", $2}'

# A directory's times change with what comes and goes in it, those of libvirt's files whenever it starts.
find /boot /etc /home /opt /srv /usr/local /var -xdev \
  \( -path /var/log -o -path /var/cache -o -path /var/tmp -o -path /var/lib/systemd -o -path /var/lib/gpuplan \
  -o -path /etc/libvirt/qemu -o -path /etc/libvirt/nwfilter -o -path /var/lib/libvirt \) -prune -o \
  \( -type f -printf 'file %p %m %u %s %T@\n' -o -printf 'file %p %m %u %y %l\n' \) | sort
find /run/gpuplan /tmp -xdev -mindepth 1 -path '/tmp/systemd-private-*' -prune -o -printf 'file %p %m %u %y\n' 2>/dev/null | sort
# libvirt makes the directory dnsmasq for its first network and keeps it.
find /etc/libvirt/qemu /etc/libvirt/nwfilter /var/lib/libvirt /var/lib/gpuplan -xdev -path /var/lib/gpuplan/clusters -prune -o \
  -path /var/lib/libvirt/dnsmasq -o \
  -mindepth 1 -printf 'file %p %m %u %y\n' 2>/dev/null | sort
