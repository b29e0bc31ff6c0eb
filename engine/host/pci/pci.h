// The PCI functions of a host, as sysfs shows them. Read-only.
// Source: Linux Documentation/ABI/testing/sysfs-bus-pci and Documentation/PCI/sysfs-pci.rst.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/ports.h"
#include "spec/bdf.h"
#include "spec/spec.h"

namespace gpuplan {

// One line of sysfs `resource`: a base address register that is present.
struct PciBar {
  int index = 0;               // 0..5
  std::uint64_t size = 0;      // bytes
  std::uint64_t base = 0;      // 0: not assigned
  bool is_64_bit = false;      // flags & 0x00100000 (IORESOURCE_MEM_64)
  bool is_prefetchable = false;  // flags & 0x2000 (IORESOURCE_PREFETCH)
};

struct PciFunction {
  Bdf address;
  PciId id;
  std::uint32_t class_code = 0;   // 24 bits, 0x030200
  std::uint8_t revision = 0;
  std::string driver;             // empty: none bound
  std::string driver_override;    // empty: none ("(null)" in sysfs)
  std::optional<int> iommu_group;
  int numa_node = -1;             // -1: unknown
  std::vector<PciBar> bars;
  std::vector<std::string> reset_methods;  // "flr", "bus", …; empty: no reset possible
  bool boot_display = false;      // boot_vga is 1
  int virtual_functions = 0;      // sriov_numvfs

  bool is_gpu() const;       // class 0x0300, 0x0302, 0x0380 or 0x1200: an accelerator
  bool is_bridge() const;    // class 0x0604 and other 0x06xx that is not an NVSwitch: never bound
  bool is_nvswitch() const;  // what joins GPUs of NVIDIA by NVLink
  bool is_usb_controller() const;  // class 0x0C03
  // True if its driver lets a VM have the rest of its IOMMU group: none, vfio's, pci-stub, and a PCI-to-PCI
  // bridge on pcieport. Source: driver_managed_dma in Linux drivers/pci and drivers/vfio (since 5.19).
  bool leaves_group_to_vfio() const;
  // Bytes of the 64-bit prefetchable BARs: what a guest's 64-bit window must hold.
  std::uint64_t window_bytes() const;
};

// The words for a class code: "3D controller", "Audio device", "PCI bridge", "Ethernet controller",
// "USB controller", "NVSwitch"; "class 0xNNNN" for one without a name here.
std::string class_name(const PciFunction& function);

// All functions, ordered by address. Throws HostError if /sys/bus/pci/devices cannot be read.
std::vector<PciFunction> read_pci_functions(FileReader& files);
// One function; nothing if it does not exist. Throws HostError, timed_out if its driver hangs.
std::optional<PciFunction> read_pci_function(FileReader& files, const Bdf& address);
// The functions that a device in a slot consists of, ordered; bridges are left out. Empty if there
// is none at `address`. Together they are bound, passed through and given back.
std::vector<PciFunction> read_slot_functions(FileReader& files, const Bdf& address);
// True if the device does not answer any more: its configuration space reads as all ones ("fallen
// off the bus"). False if that cannot be read.
bool is_off_the_bus(FileReader& files, const Bdf& address);
// The addresses in an IOMMU group, from /sys/kernel/iommu_groups/N/devices, ordered.
std::vector<Bdf> read_iommu_group(FileReader& files, int group);

std::string sysfs_device(const Bdf& address);  // "/sys/bus/pci/devices/0000:0a:00.0"

// A BAR's size as lspci(8) writes it: "128G", "32M", "4K".
std::string size_words(std::uint64_t bytes);

// The content of a file without blanks and line ends around it; nothing if it is absent or cannot be
// read. Throws HostError::timed_out and ::unreachable only: those are never "absent".
std::optional<std::string> read_trimmed(FileReader& files, const std::string& path);

// A process that has a device file open.
struct DeviceHolder {
  std::int64_t pid = 0;
  std::string command;     // /proc/PID/comm
  std::string unit;        // systemd unit or container from /proc/PID/cgroup; may be empty
  std::string file;        // "/dev/nvidia0"
};

// Processes that hold a function open: the device file of a GPU's own driver (nvidia/device.h), /dev/dri and
// /dev/accel (from sysfs BDF/drm and BDF/accel), of an audio function /dev/snd (BDF/sound/cardN), on vfio-pci
// /dev/vfio/GROUP; also below another root, as containers see them. `unreadable` gets one sentence about processes whose
// descriptors may not be read, and one if it is unknown which file is the GPU's: then whoever has any such file open counts.
std::vector<DeviceHolder> read_holders(FileReader& files, const PciFunction& function,
                                       std::vector<std::string>& unreadable);

// Processes that have a keyboard or another input device below a USB controller open, likewise.
std::vector<DeviceHolder> read_input_holders(FileReader& files, const PciFunction& function,
                                             std::vector<std::string>& unreadable);

// A disk or partition below a USB controller that the host uses.
struct UsedDisk {
  std::string name;       // "sdb1"
  std::string use;        // "is mounted on /media/backup"
  std::string read_from;  // "/proc/mounts"
};
std::vector<UsedDisk> read_used_disks(FileReader& files, const PciFunction& function);

}  // namespace gpuplan
