// A host with a PCI tree and a hypervisor in memory, for the tests of vm-define: it counts what is
// changed, and one such call can be told to fail.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "host/xml/domain_xml.h"
#include "plugin/step_kind.h"

namespace vm_define_fake {

using namespace gpuplan;

// Lets each mutating call be counted, and one of them fail before it does anything.
struct Calls {
  std::vector<std::string> made;
  std::size_t fail_at = 0;  // 1, 2, …; 0: never

  void make(const std::string& call) {
    made.push_back(call);
    if (made.size() == fail_at) throw HostError(HostError::Kind::failed, call, "injected failure of " + call);
  }
};

class Files : public FileSystem {
 public:
  explicit Files(Calls& calls) : calls_(calls) {}

  std::map<std::string, std::string> content;
  std::set<std::string> directories{"/var", "/var/lib"};

  std::string read(const std::string& path) override {
    const auto found = content.find(path);
    if (found == content.end()) throw HostError(HostError::Kind::not_found, path, "cannot read " + path);
    return found->second;
  }
  std::vector<std::string> list(const std::string& path) override {
    std::set<std::string> names;
    const auto add = [&](const std::string& entry) {
      if (entry.rfind(path + "/", 0) != 0) return;
      const std::string rest = entry.substr(path.size() + 1);
      names.insert(rest.substr(0, rest.find('/')));
    };
    for (const auto& [file, text] : content) add(file);
    for (const std::string& directory : directories) add(directory);
    return {names.begin(), names.end()};
  }
  std::string read_link(const std::string& path) override { return read(path); }
  FileKind kind(const std::string& path) override {
    if (content.count(path) > 0) return FileKind::file;
    return directories.count(path) > 0 || !list(path).empty() ? FileKind::directory : FileKind::none;
  }
  void write(const std::string& path, const std::string& text, std::chrono::seconds) override {
    calls_.make("write " + path);
    content[path] = text;
  }
  void put_file(const std::string& path, const std::string& text, unsigned) override {
    calls_.make("put_file " + path);
    content[path] = text;
  }
  void remove_file(const std::string& path) override {
    calls_.make("remove_file " + path);
    content.erase(path);
  }
  void make_directory(const std::string& path, unsigned) override {
    calls_.make("make_directory " + path);
    for (std::string at = path; at.size() > 1; at = at.substr(0, at.rfind('/'))) directories.insert(at);
  }
  void remove_directory(const std::string& path) override {
    calls_.make("remove_directory " + path);
    if (list(path).empty()) directories.erase(path);
  }

 private:
  Calls& calls_;
};

class VirtualClock : public Clock {
 public:
  std::int64_t now() override { return now_; }
  void sleep_for(std::chrono::milliseconds duration) override {
    now_ += std::max<std::int64_t>(1, duration.count() / 1000);
  }

 private:
  std::int64_t now_ = 1'000'000;
};

struct FakePool {
  std::string path;
  bool active = true;
  std::map<std::string, VolumeState> volumes;
};

class FakeHypervisor : public Hypervisor {
 public:
  explicit FakeHypervisor(Calls& calls) : calls_(calls) {}

  std::map<std::string, DomainState> all_domains;
  std::map<std::string, NetworkState> all_networks;
  std::map<std::string, FakePool> pools;
  std::set<std::string> deaf;          // domains that do not follow a shutdown
  std::set<std::string> dies_at_boot;  // domains that stop again when they are started
  std::string console = "[    1.0] Kernel panic";
  std::int64_t available_bytes = 1LL << 42;
  int uuids = 0;
  std::optional<HostError> silent;  // what every question about domains ends with

  std::vector<DomainState> domains() override {
    if (silent) throw HostError(*silent);
    return values(all_domains);
  }
  std::optional<DomainState> domain(const std::string& name) override {
    if (silent) throw HostError(*silent);
    return find(all_domains, name);
  }
  std::vector<NetworkState> networks() override { return values(all_networks); }
  std::optional<NetworkState> network(const std::string& name) override { return find(all_networks, name); }
  std::optional<PoolState> pool(const std::string& name) override {
    const auto found = pools.find(name);
    if (found == pools.end()) return std::nullopt;
    return PoolState{name, found->second.active, found->second.path, 1LL << 42, available_bytes};
  }
  std::vector<VolumeState> volumes(const std::string& pool) override { return values(require_pool(pool).volumes); }
  std::optional<VolumeState> volume(const std::string& pool, const std::string& name) override {
    const auto found = pools.find(pool);
    if (found == pools.end() || !found->second.active) return std::nullopt;
    return find(found->second.volumes, name);
  }
  std::string console_tail(const std::string&, std::size_t) override { return console; }

  void define_domain(const std::string& xml) override {
    auto definition = parse_domain(xml).value();
    calls_.make("define_domain " + definition.name);
    const auto existing = all_domains.find(definition.name);
    if (existing != all_domains.end() && existing->second.uuid != definition.uuid) {
      throw HostError(HostError::Kind::refused, definition.name, "domain exists with another uuid");
    }
    DomainState state = existing == all_domains.end() ? DomainState{} : existing->second;
    state.name = definition.name;
    if (definition.uuid.empty()) definition.uuid = fmt::format("00000000-0000-4000-8000-{:012}", ++uuids);
    state.uuid = definition.uuid;
    state.xml = render_domain(definition);
    all_domains[state.name] = state;
  }
  void start_domain(const std::string& name) override {
    calls_.make("start_domain " + name);
    require_domain(name).power = dies_at_boot.count(name) > 0 ? PowerState::crashed : PowerState::running;
    const auto mine = parse_domain(all_domains.at(name).xml).value().devices;
    for (const auto& [other, state] : all_domains) {
      if (other == name || state.power != PowerState::running) continue;
      const DomainDefinition theirs = parse_domain(state.xml).value();
      for (const Bdf& device : theirs.devices) {
        if (std::find(mine.begin(), mine.end(), device) == mine.end()) continue;
        all_domains.at(name).power = PowerState::off;
        throw HostError(HostError::Kind::busy, name, fmt::format("{} is in use by {}", device.to_string(), other));
      }
    }
  }
  void shut_down_domain(const std::string& name) override {
    calls_.make("shut_down_domain " + name);
    if (deaf.count(name) == 0) require_domain(name).power = PowerState::off;
  }
  void kill_domain(const std::string& name) override {
    calls_.make("kill_domain " + name);
    require_domain(name).power = PowerState::off;
  }
  void undefine_domain(const std::string& name) override {
    calls_.make("undefine_domain " + name);
    all_domains.erase(name);
  }
  void set_autostart(const std::string& name, bool on) override {
    calls_.make("set_autostart " + name);
    require_domain(name).autostart = on;
  }
  void define_network(const std::string& xml) override {
    const auto definition = parse_network(xml).value();
    calls_.make("define_network " + definition.name);
    all_networks[definition.name] = {definition.name, "u", false, false, xml};
  }
  void start_network(const std::string& name) override {
    calls_.make("start_network " + name);
    all_networks.at(name).active = all_networks.at(name).autostart = true;
  }
  void remove_network(const std::string& name) override {
    calls_.make("remove_network " + name);
    all_networks.erase(name);
  }
  void define_pool(const std::string& name, const std::string& directory) override {
    calls_.make("define_pool " + name);
    pools[name].path = directory;
    pools[name].active = true;
  }
  void remove_pool(const std::string& name) override {
    calls_.make("remove_pool " + name);
    pools.erase(name);
  }
  void create_volume(const std::string& pool, const std::string& name, std::int64_t capacity,
                     const std::string& backing) override {
    calls_.make("create_volume " + name);
    add_volume(pool, {name, "", capacity, backing, "qcow2"}, false);
  }
  void upload_volume(const std::string& pool, const std::string& name, const std::string& content) override {
    calls_.make("upload_volume " + name);
    add_volume(pool, {name, "", static_cast<std::int64_t>(content.size()), "", "iso"}, true);
  }
  void delete_kept_downloads() override { calls_.make("delete_kept_downloads"); }
  void fetch_image(const std::string& pool, const std::string& name, const ImageSource& source) override {
    calls_.make("fetch_image " + (source.url.empty() ? source.path : source.url));
    add_volume(pool, {name, "", 1LL << 31, "", "qcow2"}, true);
  }
  void grow_volume(const std::string& pool, const std::string& name, std::int64_t capacity) override {
    calls_.make("grow_volume " + name);
    require_pool(pool).volumes.at(name).capacity_bytes = capacity;
  }
  void delete_volume(const std::string& pool, const std::string& name) override {
    calls_.make("delete_volume " + name);
    for (const auto& [other, state] : all_domains) {
      const auto used = require_pool(pool).volumes.find(name);
      if (used == require_pool(pool).volumes.end() || state.power != PowerState::running) continue;
      const DomainDefinition definition = parse_domain(state.xml).value();
      for (const DomainDisk& disk : definition.disks) {
        if (disk.path == used->second.path) throw HostError(HostError::Kind::busy, name, "volume in use by " + other);
      }
    }
    require_pool(pool).volumes.erase(name);
  }

  FakePool& require_pool(const std::string& name) {
    const auto found = pools.find(name);
    if (found == pools.end()) throw HostError(HostError::Kind::not_found, name, "no pool " + name);
    return found->second;
  }
  DomainState& require_domain(const std::string& name) {
    const auto found = all_domains.find(name);
    if (found == all_domains.end()) throw HostError(HostError::Kind::not_found, name, "no domain " + name);
    return found->second;
  }
  void add_volume(const std::string& pool, VolumeState volume, bool may_exist) {
    FakePool& place = require_pool(pool);
    if (!may_exist && place.volumes.count(volume.name) > 0) {
      throw HostError(HostError::Kind::refused, volume.name, "volume exists");
    }
    volume.path = place.path + "/" + volume.name;
    place.volumes[volume.name] = volume;
  }

 private:
  template <typename T>
  static std::vector<T> values(const std::map<std::string, T>& map) {
    std::vector<T> out;
    for (const auto& [name, value] : map) out.push_back(value);
    return out;
  }
  template <typename T>
  static std::optional<T> find(const std::map<std::string, T>& map, const std::string& name) {
    const auto found = map.find(name);
    return found == map.end() ? std::nullopt : std::optional<T>(found->second);
  }

  Calls& calls_;
};

class FakeGuests : public Guests {
 public:
  explicit FakeGuests(FakeHypervisor& hypervisor) : hypervisor_(hypervisor) {}
  std::set<std::string> silent;

  bool answers(const GuestTarget& guest) override {
    const auto domain = hypervisor_.domain(guest.node);
    return domain && domain->power == PowerState::running && silent.count(guest.node) == 0;
  }
  CommandResult query(const GuestTarget&, const Command&) override { return {}; }
  std::optional<std::string> get(const GuestTarget&, const std::string&) override { return std::nullopt; }
  CommandResult run(const GuestTarget&, const Command&) override { return {}; }
  void put(const GuestTarget&, const std::string&, const std::string&, unsigned) override {}
  void remove(const GuestTarget&, const std::string&) override {}
  GuestCredentials credentials(const std::string& node) override {
    known.insert(node);
    return {"ssh-ed25519 AAAAgpuplan gpuplan", "-----BEGIN OPENSSH PRIVATE KEY-----\n" + node + "\n", "ssh-ed25519 AAAA" + node};
  }
  void forget(const std::string& node) override { known.erase(node); }
  std::set<std::string> known;  // nodes that have credentials

 private:
  FakeHypervisor& hypervisor_;
};

class FakeHost : public Host {
 public:
  Calls calls;
  Files file_system{calls};
  FakeHypervisor fake_hypervisor{calls};
  FakeGuests fake_guests{fake_hypervisor};
  VirtualClock virtual_clock;

  std::string identity() override { return "fake"; }
  std::string description() override { return "a fake host"; }
  std::map<std::string, std::string> limitations() override { return {}; }
  FileSystem& files() override { return file_system; }
  std::map<std::string, std::string> outputs;  // of queries, by their words; any other prints nothing
  CommandResult query(const Command& command) override { return {0, outputs[join_argv(command.argv)], {}}; }
  CommandResult run(const Command&) override { return {}; }
  FakeHypervisor& hypervisor() override { return fake_hypervisor; }
  Guests& guests() override { return fake_guests; }
  Clock& clock() override { return virtual_clock; }

  // A GPU with one 64-bit prefetchable BAR of `gib`, and whatever else sits in its slot.
  void add_function(const std::string& bdf, const std::string& class_code, std::int64_t gib, int node) {
    const std::string device = "/sys/bus/pci/devices/" + bdf;
    file_system.content[device + "/vendor"] = "0x10de\n";
    file_system.content[device + "/device"] = "0x2330\n";
    file_system.content[device + "/class"] = class_code + "\n";
    file_system.content[device + "/numa_node"] = fmt::format("{}\n", node);
    const std::int64_t begin = 1LL << 44;
    file_system.content[device + "/resource"] =
        gib == 0 ? "0x0 0x0 0x0\n" : fmt::format("0x{:x} 0x{:x} 0x14220c\n", begin, begin + (gib << 30) - 1);
  }

  // Everything that can change, as one text: what rollback has to bring back.
  std::string picture() {
    std::string text;
    for (const auto& [name, domain] : fake_hypervisor.all_domains) {
      text += fmt::format("domain {} {} {} {}\n{}", name, domain.uuid, static_cast<int>(domain.power),
                          domain.autostart, domain.xml);
    }
    for (const auto& [name, network] : fake_hypervisor.all_networks)
      text += fmt::format("network {} {}\n", name, network.active);
    for (const auto& [name, pool] : fake_hypervisor.pools) {
      text += fmt::format("pool {} {}\n", name, pool.path);
      for (const auto& [volume, state] : pool.volumes) {
        text += fmt::format("volume {} {} {}\n", volume, state.format == "iso" ? 0 : state.capacity_bytes,
                            state.backing_path);
      }
    }
    for (const std::string& directory : file_system.directories) text += "directory " + directory + "\n";
    for (const auto& [path, content] : file_system.content) {
      if (path.rfind("/var/", 0) == 0) text += fmt::format("file {} {}\n", path, content);
    }
    return text;
  }
};

class FakeContext : public StepContext {
 public:
  FakeContext(const Spec& spec, Clock& clock) : spec_(spec), clock_(clock) {}
  std::vector<std::string> told;

  const Spec& spec() const override { return spec_; }
  void progress(const std::string& text) override { told.push_back(text); }
  void log(const std::string& text) override { told.push_back(text); }
  void keep_output(const std::string&, const std::string&, const std::string&) override {}
  std::string output_of(const std::string&) const override { return {}; }
  void wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                  const std::function<bool()>& ready) override {
    const std::int64_t deadline = clock_.now() + limit.count();
    while (!ready()) {
      if (clock_.now() >= deadline) {
        throw HostError(HostError::Kind::timed_out, what,
                        fmt::format("{} did not happen within {}s", what, limit.count()));
      }
      clock_.sleep_for(poll);
    }
  }
  bool is_withdrawn(const Address&) const override { return false; }

 private:
  const Spec& spec_;
  Clock& clock_;
};

}  // namespace vm_define_fake
