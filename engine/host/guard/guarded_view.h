// The Host that a stage gets: every port passes through, mutating calls after a look at the guard.
#pragma once

#include <chrono>
#include <string>

#include "host/guard/guarded_host.h"

namespace gpuplan {

// Of calls that have no limit of their own.
inline constexpr std::chrono::seconds default_call_limit{60};

// What stands before each mutating call of one resource's stages.
class CallGuard {
 public:
  CallGuard(GuardedHost& guarded, std::string address) : guarded_(guarded), address_(std::move(address)) {}
  // `what` follows "cannot": "write /sys/…/unbind". Throws Interrupted, or what an injected fault throws.
  void before(std::string what, std::string subject, std::chrono::seconds limit = default_call_limit) const {
    guarded_.before_call(address_, {std::move(what), std::move(subject), limit, false});
  }

 private:
  GuardedHost& guarded_;
  std::string address_;
};

// The ports ask `host` for the port anew each time: a local host connects to libvirt only when it is used.
class GuardedFiles : public FileSystem {
 public:
  GuardedFiles(Host& host, const CallGuard& guard) : host_(host), guard_(guard) {}
  std::string read(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::string read_link(const std::string& path) override;
  FileKind kind(const std::string& path) override;
  void write(const std::string& path, const std::string& content, std::chrono::seconds limit) override;
  void put_file(const std::string& path, const std::string& content, unsigned mode) override;
  void remove_file(const std::string& path) override;
  void make_directory(const std::string& path, unsigned mode) override;
  void remove_directory(const std::string& path) override;

 private:
  Host& host_;
  const CallGuard& guard_;
};

class GuardedHypervisor : public Hypervisor {
 public:
  GuardedHypervisor(Host& host, const CallGuard& guard) : host_(host), guard_(guard) {}
  std::vector<DomainState> domains() override;
  std::optional<DomainState> domain(const std::string& name) override;
  std::vector<NetworkState> networks() override;
  std::optional<NetworkState> network(const std::string& name) override;
  std::optional<PoolState> pool(const std::string& name) override;
  std::vector<VolumeState> volumes(const std::string& pool) override;
  std::optional<VolumeState> volume(const std::string& pool, const std::string& name) override;
  std::string console_tail(const std::string& domain, std::size_t lines) override;
  std::optional<std::vector<std::string>> console(const std::string& domain) override;
  void define_domain(const std::string& xml) override;
  void start_domain(const std::string& name) override;
  void shut_down_domain(const std::string& name) override;
  void kill_domain(const std::string& name) override;
  void undefine_domain(const std::string& name) override;
  void set_autostart(const std::string& domain, bool on) override;
  void define_network(const std::string& xml) override;
  void start_network(const std::string& name) override;
  void remove_network(const std::string& name) override;
  void define_pool(const std::string& name, const std::string& directory) override;
  void remove_pool(const std::string& name) override;
  void create_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes,
                     const std::string& backing_path) override;
  void upload_volume(const std::string& pool, const std::string& name, const std::string& content) override;
  void fetch_image(const std::string& pool, const std::string& name, const ImageSource& source) override;
  void delete_kept_downloads() override;
  void grow_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes) override;
  void delete_volume(const std::string& pool, const std::string& name) override;

 private:
  Host& host_;
  const CallGuard& guard_;
};

class GuardedGuests : public Guests {
 public:
  GuardedGuests(Host& host, const CallGuard& guard) : host_(host), guard_(guard) {}
  bool answers(const GuestTarget& guest) override;
  std::optional<std::string> addresses_by_agent(const GuestTarget& guest) override;
  CommandResult query(const GuestTarget& guest, const Command& command) override;
  std::optional<std::string> get(const GuestTarget& guest, const std::string& path) override;
  CommandResult run(const GuestTarget& guest, const Command& command) override;
  void put(const GuestTarget& guest, const std::string& path, const std::string& content, unsigned mode) override;
  void remove(const GuestTarget& guest, const std::string& path) override;
  GuestCredentials credentials(const std::string& node) override;
  void forget(const std::string& node) override;

 private:
  Host& host_;
  const CallGuard& guard_;
};

class GuardedView : public Host {
 public:
  GuardedView(Host& host, CallGuard guard);
  std::string identity() override { return host_.identity(); }
  std::string description() override { return host_.description(); }
  std::map<std::string, std::string> limitations() override { return host_.limitations(); }
  FileSystem& files() override { return files_; }
  CommandResult query(const Command& command) override { return host_.query(command); }
  CommandResult run(const Command& command) override;
  Hypervisor& hypervisor() override { return hypervisor_; }
  Guests& guests() override { return guests_; }
  Clock& clock() override { return host_.clock(); }

 private:
  Host& host_;
  CallGuard guard_;
  GuardedFiles files_;
  GuardedHypervisor hypervisor_;
  GuardedGuests guests_;
};

}  // namespace gpuplan
