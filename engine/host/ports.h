// The ports through which everything above reaches a machine. Each port has a read-only interface
// and a mutable one derived from it; planning sees only the former. Implementations: host/local and
// host/libvirt (this machine), host/sim (a modelled server), host/guard (counts, interrupts, faults).
// Every function may throw HostError, and nothing else, unless it says otherwise. All are
// thread-safe: steps run in parallel on one Host.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/host_error.h"

namespace gpuplan {

// ---------------------------------------------------------------------------------------- files

enum class FileKind { none, file, directory, symlink };

// Absolute paths only. Access to /sys/bus/pci, /sys/kernel/iommu_groups and /proc/driver can block
// for ever when a driver hangs; it is limited in time on a real host and ends as Kind::timed_out.
class FileReader {
 public:
  virtual ~FileReader() = default;
  virtual std::string read(const std::string& path) = 0;               // whole content, at most 16 MiB
  virtual std::vector<std::string> list(const std::string& path) = 0;  // names in a directory, sorted
  virtual std::string read_link(const std::string& path) = 0;          // a symlink's target text
  virtual FileKind kind(const std::string& path) = 0;                  // never Kind::not_found: FileKind::none
};

class FileSystem : public FileReader {
 public:
  // One write(2) to an existing file, as kernel interfaces want it; nothing is created or truncated.
  // `limit` bounds it; afterwards the write may still be stuck in the kernel (Kind::timed_out).
  virtual void write(const std::string& path, const std::string& content, std::chrono::seconds limit) = 0;
  // A regular file with exactly this content and mode, replaced atomically and durable on return.
  virtual void put_file(const std::string& path, const std::string& content, unsigned mode) = 0;
  virtual void remove_file(const std::string& path) = 0;                      // absent is not an error
  virtual void make_directory(const std::string& path, unsigned mode) = 0;    // with parents; present is not an error
  virtual void remove_directory(const std::string& path) = 0;  // absent or not empty is not an error
};

// ------------------------------------------------------------------------------------- commands

struct Command {
  std::vector<std::string> argv;     // argv[0] is looked up in PATH; no shell is involved
  std::string standard_input;        // secrets go here, never into argv
  std::chrono::seconds limit{60};
};

struct CommandResult {
  int exit_status = 0;  // 128+N if killed by signal N
  std::string output;   // stdout, at most 16 MiB
  std::string errors;   // stderr, at most 1 MiB
  bool ok() const { return exit_status == 0; }
};

std::string join_argv(const std::vector<std::string>& argv);

// The last whole lines of its output and then of its errors, at most 2 KiB of each: for a HostError::output_tail.
std::string ends_of(const CommandResult& result);

// Throws HostError::failed with the end of stderr unless the command exited with 0.
const CommandResult& require_success(const Command& command, const CommandResult& result);

// --------------------------------------------------------------------------------------- clock

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since 1970, UTC. A simulated host's clock is its own.
  virtual std::int64_t now() = 0;
  // Returns early, without an error, when the run is interrupted.
  virtual void sleep_for(std::chrono::milliseconds duration) = 0;
};

// ---------------------------------------------------------------------------------- hypervisor

enum class PowerState { off, running, crashed };

struct DomainState {
  std::string name;
  std::string uuid;
  PowerState power = PowerState::off;
  bool autostart = false;
  std::string xml;  // the persistent definition as the hypervisor keeps it (host/xml parses it)
};

struct NetworkState {
  std::string name;
  std::string uuid;
  bool active = false;
  bool autostart = false;
  std::string xml;
};

struct PoolState {
  std::string name;
  bool active = false;
  std::string path;  // target directory
  std::int64_t capacity_bytes = 0;
  std::int64_t available_bytes = 0;
};

struct VolumeState {
  std::string name;
  std::string path;
  std::int64_t capacity_bytes = 0;  // as the guest sees it
  std::string backing_path;         // empty without a backing file
  std::string format;               // qcow2 | raw | iso
};

// Where a base image comes from.
struct ImageSource {
  std::string url;     // http or https; empty if `path` is given
  std::string path;    // a file on the host
  std::string sha256;  // checked before the image is used; empty: not checked
  std::chrono::seconds limit{3600};
  // Bytes that are there and bytes in all (0: not known); called on the caller's thread. May be empty.
  std::function<void(std::int64_t done, std::int64_t total)> progress;
};

// libvirt's model: https://libvirt.org/api.html. Documents are libvirt XML, built and read by
// host/xml only. Queries for one object return nothing if it does not exist.
class HypervisorReader {
 public:
  virtual ~HypervisorReader() = default;
  virtual std::vector<DomainState> domains() = 0;
  virtual std::optional<DomainState> domain(const std::string& name) = 0;
  virtual std::vector<NetworkState> networks() = 0;
  virtual std::optional<NetworkState> network(const std::string& name) = 0;
  virtual std::optional<PoolState> pool(const std::string& name) = 0;
  virtual std::vector<VolumeState> volumes(const std::string& pool) = 0;
  virtual std::optional<VolumeState> volume(const std::string& pool, const std::string& name) = 0;
  // The last `lines` lines of a domain's serial console log; empty if there is none.
  virtual std::string console_tail(const std::string& domain, std::size_t lines) = 0;
  // The argv of a program of this machine that joins the terminal to the serial console of a running domain; nothing
  // if there is none (a simulated host).
  virtual std::optional<std::vector<std::string>> console(const std::string& domain);
};

class Hypervisor : public HypervisorReader {
 public:
  // Defines or redefines (same name and UUID) the persistent definition; a running domain keeps its
  // old one until it stops.
  virtual void define_domain(const std::string& xml) = 0;
  virtual void start_domain(const std::string& name) = 0;      // running is not an error
  virtual void shut_down_domain(const std::string& name) = 0;  // asks the guest; returns at once; off is not an error
  virtual void kill_domain(const std::string& name) = 0;       // pulls the plug; off is not an error
  virtual void undefine_domain(const std::string& name) = 0;   // with its NVRAM; absent is not an error
  virtual void set_autostart(const std::string& domain, bool on) = 0;

  virtual void define_network(const std::string& xml) = 0;
  virtual void start_network(const std::string& name) = 0;     // and autostart; active is not an error
  virtual void remove_network(const std::string& name) = 0;    // stop and undefine; absent is not an error

  virtual void define_pool(const std::string& name, const std::string& directory) = 0;  // built, started, autostart
  virtual void remove_pool(const std::string& name) = 0;       // stop and undefine, directory kept; absent is not an error

  // A qcow2 volume, on top of `backing_path` unless that is empty. Existing is Kind::refused.
  virtual void create_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes,
                             const std::string& backing_path) = 0;
  // A volume with this content (a cloud-init seed). An existing one is replaced.
  virtual void upload_volume(const std::string& pool, const std::string& name, const std::string& content) = 0;
  // Brings the base image into the pool. Present with the same name is not an error. What was downloaded is kept
  // for the next pool.
  virtual void fetch_image(const std::string& pool, const std::string& name, const ImageSource& source) = 0;
  virtual void delete_kept_downloads() = 0;  // none is not an error
  virtual void grow_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes) = 0;
  virtual void delete_volume(const std::string& pool, const std::string& name) = 0;  // absent is not an error
};

// --------------------------------------------------------------------------------------- guests

// How a node is reached. On a simulated host only `node` counts.
struct GuestTarget {
  std::string node;     // "gpu-worker-1": also the libvirt domain
  std::string address;  // IPv4
  std::string user = "root";  // any other becomes root by sudo
  std::uint16_t port = 22;
  // Of a machine that gpuplan did not make; both empty for its own VMs, which have keys of gpuplan's.
  std::string identity;  // path of the private key to log in with
  std::string host_key;  // the only one that is trusted: "ssh-ed25519 AAAA…"
  std::string ssh_host;  // IPv4 or name at which its sshd answers; empty: `address`
  bool is_machine() const { return !identity.empty(); }
  const std::string& login_host() const { return ssh_host.empty() ? address : ssh_host; }
};

// What a guest is given before its first boot, so that this host can log in and nobody else can answer
// in the guest's name.
struct GuestCredentials {
  std::string authorized_key;    // one line of authorized_keys(5), for root
  std::string host_key;          // the guest's ed25519 host key, private, in OpenSSH's format: a secret
  std::string host_key_public;   // one line, "ssh-ed25519 AAAA…"
};

class GuestReader {
 public:
  virtual ~GuestReader() = default;
  // True if the guest answers a login now. Never throws HostError::unreachable; refused means that somebody
  // answers who does not have the guest's host key.
  virtual bool answers(const GuestTarget& guest) = 0;
  // Which addresses a VM has, as its guest agent says, in words for a user: "192.168.130.21 (enp1s0)". Nothing if no agent
  // answers, and of machines. With an agent, commands still work when the network of the guest does not. Never throws
  // HostError.
  virtual std::optional<std::string> addresses_by_agent(const GuestTarget& guest);
  // Runs a command that changes nothing. A simulated guest refuses any other.
  virtual CommandResult query(const GuestTarget& guest, const Command& command) = 0;
  virtual std::optional<std::string> get(const GuestTarget& guest, const std::string& path) = 0;  // nothing if absent
};

class Guests : public GuestReader {
 public:
  virtual CommandResult run(const GuestTarget& guest, const Command& command) = 0;
  virtual void put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) = 0;
  virtual void remove(const GuestTarget& guest, const std::string& path) = 0;  // absent is not an error
  // Made at the first call for a node and durable on return; the same ones on each later call.
  virtual GuestCredentials credentials(const std::string& node) = 0;
  virtual void forget(const std::string& node) = 0;  // its credentials; absent is not an error
  // The argv of a program of this machine that logs in to the guest with the terminal, or if `command` is not empty
  // runs that there with the standard streams and ends with its exit status; each of its words stays what it is.
  // Nothing if there is no such program (a simulated guest): then run() is the only way. Contacts nobody.
  virtual std::optional<std::vector<std::string>> login(const GuestTarget& guest, const std::vector<std::string>& command);
};

// ----------------------------------------------------------------------------------------- host

// A machine, read-only.
class HostReader {
 public:
  virtual ~HostReader() = default;
  // What tells this machine from every other; stable across reboots.
  virtual std::string identity() = 0;
  // For people: "sim:specs/hosts/h100-sxm8.yaml", "gpu01 (Debian GNU/Linux 12)". Never throws.
  virtual std::string description() = 0;
  // What cannot be done on this host at all, in words for the user, one entry per step kind that
  // would need it ("vm-define" → reason). Empty if everything can.
  virtual std::map<std::string, std::string> limitations() = 0;
  virtual FileReader& files() = 0;
  // Runs a command that changes nothing. A simulated host refuses any other.
  virtual CommandResult query(const Command& command) = 0;
  virtual HypervisorReader& hypervisor() = 0;
  virtual GuestReader& guests() = 0;
  virtual Clock& clock() = 0;
};

// A machine that may be changed.
class Host : public HostReader {
 public:
  FileSystem& files() override = 0;
  virtual CommandResult run(const Command& command) = 0;
  Hypervisor& hypervisor() override = 0;
  Guests& guests() override = 0;
};

}  // namespace gpuplan
