// What the user declared, typed, complete with defaults. Plain data: no host was asked.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "report/diagnostic.h"
#include "spec/bdf.h"
#include "yaml/node.h"

namespace gpuplan {

struct GpuSpec {
  Bdf address;
  std::optional<Bdf> audio;
  SourceLocation where;
};

struct PciId {
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  auto operator<=>(const PciId&) const = default;
  std::string to_string() const;  // "10de:2330"
};

struct VmResources {
  std::int64_t memory_mib = 0;
  std::int64_t cpus = 0;
  std::int64_t disk_gib = 0;
  std::string firmware = "efi";    // efi | bios
  std::string hugepages = "none";  // none | 2M | 1G
  std::string numa = "auto";       // auto | none
};

// A machine that exists already, in place of a VM. gpuplan logs in to it by ssh and makes a node of it.
struct MachineSpec {
  std::string user;  // one that is not root needs sudo without a password
  std::string host;  // IPv4 or name at which its sshd answers; the address among nodes may be another
  std::int64_t port = 22;
  std::string identity;  // path of the private key to log in with
  std::string host_key;  // the only one that is trusted: "ssh-ed25519 AAAA…"; empty: to be asked for
  std::int64_t gpus = 0;  // as declared, since nobody assigns them
};

// What keeps pods away that do not tolerate it.
struct NodeTaint {
  std::string key;
  std::string value;             // may be empty
  std::string effect;            // NoSchedule | PreferNoSchedule | NoExecute
  std::string to_string() const;  // as kubectl taint takes it: "key=value:NoSchedule", "key:NoSchedule"
};

struct WorkerSpec {
  std::string key;                       // as written: "worker-1"
  std::string name;                      // node, VM and domain: "gpu-worker-1"
  std::string address;                   // IPv4; of a VM: in network.cidr
  bool address_is_free_choice = false;   // neither declared nor derived from a number in the name
  std::vector<std::size_t> gpu_indexes;  // into Spec::gpus
  VmResources resources;
  std::map<std::string, std::string> labels;  // of its Node, besides what gpuplan itself needs
  std::vector<NodeTaint> taints;
  std::optional<MachineSpec> machine;  // nothing: a VM
  SourceLocation where;
  // GPUs that Kubernetes is to offer on it.
  std::int64_t gpu_count() const { return machine ? machine->gpus : static_cast<std::int64_t>(gpu_indexes.size()); }
};

struct ControlPlaneSpec {
  std::string name;  // "gpu-control-plane"
  std::string address;
  VmResources resources;
  std::optional<MachineSpec> machine;  // nothing: a VM
};

struct HostSpec {
  std::string libvirt_uri = "qemu:///system";
  std::string accel = "kvm";  // kvm | tcg
  std::vector<std::string> stop_services;
  std::int64_t memory_reserve_mib = 16384;
  bool persist_bindings = false;
  bool configure_boot = false;
};

struct NetworkSpec {
  std::string name = "gpu-k8s-net";
  std::string mode = "nat";  // nat | bridge
  std::string bridge;        // of mode bridge; empty otherwise
  std::string cidr = "192.168.130.0/24";
  std::string gateway = "192.168.130.1";                      // IPv4 in cidr; of mode nat the first address
  std::vector<std::string> name_servers = {"192.168.130.1"};  // IPv4; at least one
  std::map<std::string, std::string> addresses;  // worker key or "control-plane" → IPv4
};

struct ImageSpec {
  // Empty when path is given. Ubuntu 24.04 LTS; "current" moves by intention: it has the security updates.
  std::string url = "https://cloud-images.ubuntu.com/noble/current/noble-server-cloudimg-amd64.img";
  std::string path;    // empty when url is used
  std::string sha256;  // 64 hexadecimal digits, or empty
};

struct StorageSpec {
  std::string pool = "gpuplan";
  std::string path = "/var/lib/gpuplan/images";
};

struct KubernetesSpec {
  bool enabled = true;  // false: the workers alone, as virtual machines without a cluster
  std::string version = "1.34";
  std::string pod_cidr = "10.244.0.0/16";
  std::string service_cidr = "10.96.0.0/12";
  std::string cni = "calico";  // calico | flannel | none
};

struct GpuOperatorSpec {
  bool enabled = true;
  std::string version;                  // empty: the default that belongs to this gpuplan
  std::string driver = "preinstalled";  // preinstalled | operator
  std::string values_json = "{}";       // Helm values, canonical JSON
  bool remove_crds = true;              // with the chart, and with them every object of those kinds
};

// A file that the spec names and whose content goes to the nodes.
struct SpecFile {
  std::string path;     // as written: absolute, or relative to the spec
  std::string content;  // empty in a spec that was not read by read_spec_file
  std::string sha256;   // of the content; empty with it
  SourceLocation where;
};

// What is fetched from elsewhere instead of from where it is published. URLs have neither credentials nor a "/" at the end.
struct MirrorSpec {
  bool only = false;                              // whatever is needed and has no mirror is an error
  std::map<std::string, std::string> packages;    // ubuntu | debian | debian-security | kubernetes | nvidia → URL
  std::map<std::string, SpecFile> keys;           // of the same: armored OpenPGP keys that sign them
  std::map<std::string, std::string> registries;  // "docker.io" → URL
  std::map<std::string, std::string> charts;      // gpu-operator → URL of a chart repository, or oci://
  std::map<std::string, std::string> manifests;   // calico | flannel → URL of the manifest
  std::string helm;                               // in place of https://get.helm.sh; empty: no mirror
  std::vector<std::string> time;                  // NTP servers; empty: the distribution's
  // Whether anything of the nodes' operating system is fetched elsewhere.
  bool has_distribution() const { return packages.count("ubuntu") + packages.count("debian") > 0; }
};

// Seconds.
struct Timeouts {
  std::int64_t guest_boot = 900;
  std::int64_t ssh = 300;
  std::int64_t kubeadm = 600;
  std::int64_t node_ready = 600;
  std::int64_t operator_ready = 1200;
  std::int64_t unbind = 60;
  std::int64_t verify = 300;
};

struct Spec {
  std::string cluster = "gpu";
  std::vector<PciId> gpu_device_ids;  // empty: any
  bool gpus_auto = false;             // `gpus: auto`: plan/resolve.h fills `gpus` from the host
  std::vector<GpuSpec> gpus;
  ControlPlaneSpec control_plane;
  std::vector<WorkerSpec> workers;  // in the order of the file
  HostSpec host;
  NetworkSpec network;
  ImageSpec image;
  StorageSpec storage;
  KubernetesSpec kubernetes;
  GpuOperatorSpec gpu_operator;
  MirrorSpec mirrors;
  std::vector<SpecFile> ca_certificates;  // that nodes trust besides those of their system
  Timeouts timeouts;
  std::string on_failure = "keep";  // keep | rollback
  bool verify = true;

  // Sections that belong to step kinds of others, by key: `x-NAME: …` is the section of kind NAME.
  std::map<std::string, YamlNode> extensions;

  std::shared_ptr<const SourceFile> file;  // what it was read from
  YamlNode document;                       // the same as a tree, for locate()
  std::string sha256;                      // of the file's bytes
};

// Whether Kubernetes is to offer GPUs on any worker, and whether any node is a VM.
bool has_gpus(const Spec& spec);
bool has_vms(const Spec& spec);

// Whether VMs install packages at their first boot already. Where the distribution has a mirror, they do so only once they
// know it.
bool seed_has_packages(const Spec& spec);

// Where in the document a value came from; the document itself if the key is absent. `path` is dotted,
// with indexes in brackets: "network.cidr", "gpus[2].pci_address".
// Used to point at a declaration when the host disagrees with it.
SourceLocation locate(const Spec& spec, std::string_view path);

}  // namespace gpuplan
