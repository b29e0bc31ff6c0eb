// The modelled server: what there is, in what state. Plain data and the facts that follow from it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "host/sim/guest.h"
#include "spec/bdf.h"
#include "spec/spec.h"

namespace gpuplan::sim {

struct Bar {
  int index = 0;
  std::uint64_t size = 0;
  bool is_64_bit = false;
  bool is_prefetchable = false;
  bool assigned = true;
};

// One PCI function.
struct Device {
  Bdf address;
  std::optional<Bdf> behind;      // the bridge above it; nothing: it hangs on a host bridge of its own bus
  PciId id;
  PciId subsystem;
  std::uint32_t class_code = 0;
  std::uint8_t revision = 0;
  int numa_node = -1;
  std::optional<int> iommu_group;
  std::string driver;             // bound now; empty: none
  std::string default_driver;     // whose identifier table has this device
  std::string driver_override;    // empty: none
  std::vector<Bar> bars;
  std::vector<std::string> reset_methods;
  std::optional<bool> boot_vga;   // display controllers only
  int virtual_functions = 0;
  std::vector<std::string> net;   // names of its network interfaces
  std::vector<std::string> block; // names of its disks; of a USB controller, those plugged in
  std::vector<std::string> sound; // names of its nodes in /dev/snd: "controlC1", "pcmC1D3p"
  std::string model;              // "NVIDIA H100 80GB HBM3"
  int minor = -1;                 // N of /dev/nvidiaN
  int module_id = 0;              // Fabric Manager's physical id; 0: none
  bool persistence = false;       // nvidia's persistence mode
  bool mig = false;               // cut into instances; the GPU remembers it
  std::string fabric;             // its registration with NVSwitches: "Not Started", "In Progress", "Completed"; empty: none
  bool unbind_lock = false;       // of the nvidia driver
  bool may_sleep = false;         // its power/control is "auto"
  bool hangs = false;             // whatever its driver is asked to do never ends
  bool stuck = false;             // an unbind is hanging in the kernel, for ever
  bool waits_for_release = false; // an unbind from vfio-pci is hanging until its user closes it

  bool is_gpu() const;       // class 0x0300, 0x0302, 0x0380, 0x1200
  bool is_bridge() const;    // a PCI-to-PCI or host bridge
  bool is_nvswitch() const;
};

struct Process {
  std::int64_t pid = 0;
  std::string comm;
  std::string command_line;
  std::string unit;                 // systemd unit; it lives and dies with it if that is a known service
  std::vector<std::string> opens;   // what it opens when it starts
  std::vector<std::string> files;   // what it has open now
};

struct Service {
  bool active = false;
  bool enabled = false;
  std::string description;
};

struct NumaNode {
  std::string cpus;                 // "0-55,112-167"
  std::int64_t memory_mib = 0;
  std::int64_t hugepages_2m = 0;    // pages reserved
  std::int64_t hugepages_1g = 0;
};

struct Route {
  std::string interface;
  std::string destination;          // "10.0.0.0/16"; "0.0.0.0/0" for the default route
  std::string gateway;              // empty: directly connected
};

struct Mount {
  std::string device;
  std::string path;
  std::string type;
};

struct Partition {
  int id = 0;
  std::vector<int> modules;
  bool active = false;
};

struct FabricManager {
  std::string mode = "none";        // none | bare-metal | shared
  std::vector<Partition> partitions;
};

struct Volume {
  std::string name;
  std::int64_t capacity = 0;
  std::int64_t allocation = 0;
  std::string backing;              // path
  std::string format = "qcow2";
  std::string sha256;               // of uploaded content
  std::optional<GuestDisk> guest;   // once a guest has booted from it
};

struct Pool {
  std::string name;
  std::string path;
  bool active = true;
  std::vector<Volume> volumes;
};

struct Domain {
  std::string name;
  std::string uuid;
  std::string xml;
  std::string running_xml;          // what it was started with; empty while off
  bool persistent = true;
  bool autostart = false;
  PowerState power = PowerState::off;
  std::int64_t started_at = 0;
  std::int64_t off_at = 0;          // when a shutdown under way ends; 0: none
};

struct Network {
  std::string name;
  std::string uuid;
  std::string xml;
  std::string bridge;
  bool active = false;
  bool autostart = false;
};

struct PlainFile {
  std::string content;
  unsigned mode = 0644;
};

struct Cpu {
  std::string vendor = "GenuineIntel";
  std::string model = "Intel(R) Xeon(R) Platinum 8480C";
  bool virtualization = true;       // vmx or svm, and /dev/kvm
  bool hypervisor = false;          // it runs under one: the server is itself a virtual machine
  std::int64_t physical_bits = 52;
  std::int64_t virtual_bits = 57;
};

struct Iommu {
  std::string table = "DMAR";       // DMAR | IVRS | none
  bool enabled = true;
  bool interrupt_remapping = true;
  bool allow_unsafe_interrupts = false;
  std::int64_t address_bits = 52;
};

struct Os {
  std::string id = "ubuntu";
  std::string version_id = "24.04";
  std::string name = "Ubuntu 24.04.3 LTS";
  std::string kernel = "6.8.0-71-generic";
};

// A machine of its own that can be logged in to: neither the server nor one of its VMs.
struct Machine {
  std::string address;
  std::string user = "root";
  bool sudo = true;         // whether a user that is not root gets to be it without a password
  bool answers = true;
  std::int64_t gpus = 0;
  std::string host_key;     // "ssh-ed25519 AAAA…"
  std::string node;         // as which it was last logged in to
  GuestDisk disk;
};

// The file that a current model was made from.
struct Origin {
  std::string path;
  std::string sha256;
};

struct Model {
  std::string machine_id;
  std::optional<Origin> source;
  std::int64_t time = 1'767'225'600;   // virtual seconds since 1970
  std::int64_t clock_speed = 60;
  Os os;
  std::string kernel_command_line;
  Cpu cpu;
  Iommu iommu;
  std::vector<NumaNode> numa;
  std::int64_t memory_used_mib = 8192;
  std::vector<std::string> modules_loaded;
  std::vector<std::string> modules_available;  // without the loaded ones
  std::vector<std::string> modules_builtin;
  std::map<std::string, std::vector<std::string>> dynamic_ids;  // driver → "vvvv:dddd" from new_id
  std::vector<std::string> packages;
  std::vector<Device> devices;                 // ordered by address
  std::vector<Process> processes;
  std::map<std::string, Service> services;
  bool unbind_lock_offered = true;              // only nvidia drivers built for vGPU hosts have the file
  FabricManager fabric_manager;
  std::vector<Route> routes;
  std::vector<Mount> mounts;
  std::map<std::string, PlainFile> files;
  std::set<std::string> directories;
  bool libvirt_reachable = true;
  std::int64_t storage_capacity_gib = 4096;
  std::int64_t storage_free_gib = 2048;
  std::int64_t boot_seconds = 40;
  std::int64_t shutdown_seconds = 5;
  std::vector<std::string> guests_without_network;  // only their guest agent answers
  std::vector<std::string> unreachable_guests;  // domains whose guest never answers
  bool image_reachable = true;
  std::string image_sha256;                     // of every image there is to fetch; empty: whatever is asked for
  std::vector<Pool> pools;
  std::vector<Network> networks;
  std::vector<Domain> domains;
  std::vector<Machine> machines;

  Device* device(const Bdf& address);
  const Device* device(const Bdf& address) const;
  const Device* device_named(const std::string& text) const;
  Device* device_named(const std::string& text);   // sysfs_streq: one trailing newline does not count
  Domain* domain(const std::string& name);
  const Domain* domain(const std::string& name) const;
  Network* network(const std::string& name);
  Pool* pool(const std::string& name);
  Volume* volume_at(const std::string& path);
  std::string volume_path(const Pool& pool, const Volume& volume) const;
};

// --- facts that follow from the model

bool module_loaded(const Model& model, const std::string& name);   // '-' and '_' are the same
std::string module_of_driver(const std::string& driver);           // "vfio-pci" → "vfio_pci"
bool driver_registered(const Model& model, const std::string& driver);
std::vector<std::string> registered_drivers(const Model& model);   // sorted

// A package name stands for its versioned variants too: "nvidia-utils" for "nvidia-utils-580".
bool package_installed(const Model& model, const std::string& name);

// Whether the device file exists now.
bool device_file_exists(const Model& model, const std::string& path);
std::vector<std::string> device_files(const Model& model);         // all of them, sorted
std::string device_file_of(const Device& device);                  // "/dev/nvidia0" while bound to nvidia; else empty
std::vector<std::string> sound_files_of(const Device& device);     // "/dev/snd/controlC1" while a host driver has it

bool process_runs(const Model& model, const Process& process);
// Processes that have one of the function's device files open.
std::vector<const Process*> holders_of(const Model& model, const Device& device);
// The running domain to which the function is passed through, or a null pointer.
const Domain* domain_using(const Model& model, const Bdf& address);
// True unless the domain's GPUs hang on NVSwitches that do not serve exactly these GPUs: CUDA error 802.
bool fabric_lets_cuda_start(const Model& model, const Domain& domain);
std::vector<const Device*> group_members(const Model& model, int group);

// Lets what virtual time has brought about happen: shutdowns end, and with them hanging unbinds.
void settle(Model& model, std::int64_t now);
// Turns a running domain off, as its end does in whatever way.
void domain_stopped(Model& model, Domain& domain);
bool guest_booted(const Model& model, const Domain& domain, std::int64_t now);
bool guest_has_network(const Model& model, const std::string& domain);

std::int64_t total_memory_mib(const Model& model);
std::int64_t free_memory_mib(const Model& model);  // neither used, nor reserved for hugepages, nor given to domains
// Free hugepages of one node, of 2 MiB or 1 GiB.
std::int64_t free_hugepages(const Model& model, std::size_t node, bool gigantic);

}  // namespace gpuplan::sim
