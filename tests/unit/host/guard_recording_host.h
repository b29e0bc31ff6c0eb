// A host that does nothing and remembers what it was asked to change.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "host/ports.h"

namespace guard_test {

using namespace gpuplan;

struct RecordingClock : Clock {
  std::chrono::milliseconds slept{0};
  std::function<void()> on_sleep;
  std::int64_t now() override { return 0; }
  void sleep_for(std::chrono::milliseconds duration) override {
    slept += duration;
    if (on_sleep) on_sleep();
  }
};

using Calls = std::vector<std::string>;

struct RecordingFiles : FileSystem {
  explicit RecordingFiles(Calls& calls) : calls_(calls) {}
  std::string read(const std::string& path) override { return "content of " + path; }
  std::vector<std::string> list(const std::string&) override { return {}; }
  std::string read_link(const std::string& path) override { return "target of " + path; }
  FileKind kind(const std::string&) override { return FileKind::file; }
  void write(const std::string&, const std::string&, std::chrono::seconds) override { calls_.emplace_back("write"); }
  void put_file(const std::string&, const std::string&, unsigned) override { calls_.emplace_back("put_file"); }
  void remove_file(const std::string&) override { calls_.emplace_back("remove_file"); }
  void make_directory(const std::string&, unsigned) override { calls_.emplace_back("make_directory"); }
  void remove_directory(const std::string&) override { calls_.emplace_back("remove_directory"); }
  Calls& calls_;
};

struct RecordingHypervisor : Hypervisor {
  explicit RecordingHypervisor(Calls& calls) : calls_(calls) {}
  using Text = const std::string&;
  std::vector<DomainState> domains() override { return {}; }
  std::optional<DomainState> domain(Text) override { return {}; }
  std::vector<NetworkState> networks() override { return {}; }
  std::optional<NetworkState> network(Text) override { return {}; }
  std::optional<PoolState> pool(Text) override { return {}; }
  std::vector<VolumeState> volumes(Text) override { return {}; }
  std::optional<VolumeState> volume(Text, Text) override { return {}; }
  std::string console_tail(Text domain, std::size_t) override { return "console of " + domain; }
  void define_domain(Text) override { calls_.emplace_back("define_domain"); }
  void start_domain(Text) override { calls_.emplace_back("start_domain"); }
  void shut_down_domain(Text) override { calls_.emplace_back("shut_down_domain"); }
  void kill_domain(Text) override { calls_.emplace_back("kill_domain"); }
  void undefine_domain(Text) override { calls_.emplace_back("undefine_domain"); }
  void set_autostart(Text, bool) override { calls_.emplace_back("set_autostart"); }
  void define_network(Text) override { calls_.emplace_back("define_network"); }
  void start_network(Text) override { calls_.emplace_back("start_network"); }
  void remove_network(Text) override { calls_.emplace_back("remove_network"); }
  void define_pool(Text, Text) override { calls_.emplace_back("define_pool"); }
  void remove_pool(Text) override { calls_.emplace_back("remove_pool"); }
  void create_volume(Text, Text, std::int64_t, Text) override { calls_.emplace_back("create_volume"); }
  void upload_volume(Text, Text, Text) override { calls_.emplace_back("upload_volume"); }
  void fetch_image(Text, Text, const ImageSource&) override {
    calls_.emplace_back("fetch_image");
  }
  void delete_kept_downloads() override { calls_.emplace_back("delete_kept_downloads"); }
  void grow_volume(Text, Text, std::int64_t) override { calls_.emplace_back("grow_volume"); }
  void delete_volume(Text, Text) override { calls_.emplace_back("delete_volume"); }
  Calls& calls_;
};

struct RecordingGuests : Guests {
  explicit RecordingGuests(Calls& calls) : calls_(calls) {}
  bool answers(const GuestTarget&) override { return true; }
  CommandResult query(const GuestTarget&, const Command&) override { return {}; }
  std::optional<std::string> get(const GuestTarget&, const std::string&) override { return {}; }
  CommandResult run(const GuestTarget&, const Command&) override {
    calls_.emplace_back("guest run");
    return {};
  }
  void put(const GuestTarget&, const std::string&, const std::string&, unsigned) override {
    calls_.emplace_back("guest put");
  }
  void remove(const GuestTarget&, const std::string&) override { calls_.emplace_back("guest remove"); }
  GuestCredentials credentials(const std::string&) override {
    calls_.emplace_back("guest credentials");
    return {};
  }
  void forget(const std::string&) override { calls_.emplace_back("guest forget"); }
  Calls& calls_;
};

struct RecordingHost : Host {
  Calls calls;
  RecordingClock recording_clock;
  std::string identity() override { return "recording"; }
  std::string description() override { return "a recording host"; }
  std::map<std::string, std::string> limitations() override { return {{"vm-define", "no libvirt"}}; }
  FileSystem& files() override { return files_; }
  CommandResult query(const Command&) override { return {}; }
  CommandResult run(const Command&) override {
    calls.emplace_back("run");
    return {};
  }
  Hypervisor& hypervisor() override { return hypervisor_; }
  Guests& guests() override { return guests_; }
  Clock& clock() override { return recording_clock; }

 private:
  RecordingFiles files_{calls};
  RecordingHypervisor hypervisor_{calls};
  RecordingGuests guests_{calls};
};

}  // namespace guard_test
