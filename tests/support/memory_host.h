// A host in memory: files, scripted commands, domains, a clock that only sleeping moves. Records what
// is changed; a call can be told to fail. memory_pci.h puts a PCI bus on it.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "plugin/step_kind.h"

namespace gpuplan::test {

class MemoryHost;

class MemoryFiles : public FileSystem {
 public:
  explicit MemoryFiles(MemoryHost& host) : host_(host) {}
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
  MemoryHost& host_;
};

class MemoryClock : public Clock {
 public:
  std::int64_t now() override { return milliseconds / 1000; }
  void sleep_for(std::chrono::milliseconds duration) override {
    milliseconds += duration.count();
    if (on_sleep) on_sleep();
  }
  std::int64_t milliseconds = 1'800'000'000'000;
  std::function<void()> on_sleep;
};

class MemoryHost : public Host {
 public:
  std::map<std::string, std::string> contents;         // path → content
  std::map<std::string, std::string> links;            // path → target
  std::set<std::string> directories;                   // beside those that files imply
  std::map<std::string, HostError::Kind> broken;       // path → how every access to it fails
  std::map<std::string, CommandResult> commands;       // argv joined by blanks → result; others are not found
  std::vector<DomainState> domain_states;
  std::vector<NetworkState> network_states;
  std::optional<HostError> libvirt_error;
  // Called after a write was recorded, in place of changing `contents`; may throw.
  std::function<void(const std::string& path, const std::string& content)> on_write;
  std::function<void(const std::string& argv)> on_run;  // before a command's result is given
  std::vector<std::string> changes;                    // "write PATH CONTENT", "run ARGV"
  std::size_t fail_from = 0;                           // this mutating call and all later ones fail; 0: none
  std::size_t fail_at = 0;                             // only this one fails
  HostError::Kind failure = HostError::Kind::failed;   // how

  MemoryHost() : files_(*this), hypervisor_(*this) {}

  std::string identity() override { return "memory"; }
  std::string description() override { return "memory"; }
  std::map<std::string, std::string> limitations() override { return {}; }
  FileSystem& files() override { return files_; }
  CommandResult query(const Command& command) override { return scripted(command); }
  CommandResult run(const Command& command) override {
    change("run " + join_argv(command.argv));
    if (on_run) on_run(join_argv(command.argv));
    return scripted(command);
  }
  Hypervisor& hypervisor() override { return hypervisor_; }
  Guests& guests() override { throw HostError(HostError::Kind::unsupported, "memory", "there are no guests here"); }
  MemoryClock& clock() override { return clock_; }

  bool changed(const std::string& part) const {
    return std::any_of(changes.begin(), changes.end(),
                       [&](const std::string& text) { return text.find(part) != std::string::npos; });
  }
  // Throws if access to the path is to fail.
  void touch(const std::string& path) const {
    const auto found = broken.find(path);
    if (found == broken.end()) return;
    const bool hangs = found->second == HostError::Kind::timed_out;
    throw HostError(found->second, path, "cannot use " + path + (hangs ? ": no answer within 10 s" : ": it is broken"));
  }
  // Records a mutating call, or lets it fail.
  void change(const std::string& text) {
    ++calls_;
    if (calls_ == fail_at || (fail_from != 0 && calls_ >= fail_from)) {
      throw HostError(failure, text.substr(text.find(' ') + 1, text.rfind(' ') - text.find(' ') - 1), "cannot " + text);
    }
    changes.push_back(text);
  }
  std::size_t calls() const { return calls_; }

 private:
  // Only what the checks look at is answered.
  class MemoryHypervisor : public Hypervisor {
   public:
    explicit MemoryHypervisor(MemoryHost& host) : host_(host) {}
    std::vector<DomainState> domains() override {
      if (host_.libvirt_error) throw HostError(*host_.libvirt_error);
      return host_.domain_states;
    }
    std::optional<DomainState> domain(const std::string& name) override {
      for (const DomainState& state : domains()) {
        if (state.name == name) return state;
      }
      return std::nullopt;
    }
    std::vector<NetworkState> networks() override {
      if (host_.libvirt_error) throw HostError(*host_.libvirt_error);
      return host_.network_states;
    }
    std::optional<NetworkState> network(const std::string&) override { return std::nullopt; }
    std::optional<PoolState> pool(const std::string&) override { return std::nullopt; }
    std::vector<VolumeState> volumes(const std::string&) override { return {}; }
    std::optional<VolumeState> volume(const std::string&, const std::string&) override { return std::nullopt; }
    std::string console_tail(const std::string&, std::size_t) override { return {}; }
    void define_domain(const std::string&) override {}
    void start_domain(const std::string&) override {}
    void shut_down_domain(const std::string&) override {}
    void kill_domain(const std::string&) override {}
    void undefine_domain(const std::string&) override {}
    void set_autostart(const std::string&, bool) override {}
    void define_network(const std::string&) override {}
    void start_network(const std::string&) override {}
    void remove_network(const std::string&) override {}
    void define_pool(const std::string&, const std::string&) override {}
    void remove_pool(const std::string&) override {}
    void create_volume(const std::string&, const std::string&, std::int64_t, const std::string&) override {}
    void upload_volume(const std::string&, const std::string&, const std::string&) override {}
    void fetch_image(const std::string&, const std::string&, const ImageSource&) override {}
    void delete_kept_downloads() override {}
  void grow_volume(const std::string&, const std::string&, std::int64_t) override {}
    void delete_volume(const std::string&, const std::string&) override {}

   private:
    MemoryHost& host_;
  };

  CommandResult scripted(const Command& command) {
    const std::string words = join_argv(command.argv);
    const auto found = commands.find(words);
    if (found != commands.end()) return found->second;
    throw HostError(HostError::Kind::not_found, words, "cannot run " + words + ": no such file or directory");
  }

  std::size_t calls_ = 0;
  MemoryFiles files_;
  MemoryHypervisor hypervisor_;
  MemoryClock clock_;
};

inline std::string MemoryFiles::read(const std::string& path) {
  host_.touch(path);
  const auto found = host_.contents.find(path);
  if (found != host_.contents.end()) return found->second;
  throw HostError(HostError::Kind::not_found, path, "cannot read " + path + ": no such file or directory");
}

inline std::vector<std::string> MemoryFiles::list(const std::string& path) {
  host_.touch(path);
  std::set<std::string> names;
  const auto add = [&](const std::string& entry) {
    if (entry.rfind(path + "/", 0) == 0) names.insert(entry.substr(path.size() + 1, entry.find('/', path.size() + 1) - path.size() - 1));
  };
  for (const auto& entry : host_.contents) add(entry.first);
  for (const auto& entry : host_.links) add(entry.first);
  for (const std::string& entry : host_.directories) add(entry);
  if (names.empty() && host_.directories.count(path) == 0) {
    throw HostError(HostError::Kind::not_found, path, "cannot list " + path + ": no such file or directory");
  }
  return {names.begin(), names.end()};
}

inline std::string MemoryFiles::read_link(const std::string& path) {
  host_.touch(path);
  const auto found = host_.links.find(path);
  if (found != host_.links.end()) return found->second;
  throw HostError(HostError::Kind::not_found, path, "cannot read link " + path + ": no such file or directory");
}

inline FileKind MemoryFiles::kind(const std::string& path) {
  if (host_.contents.count(path) > 0) return FileKind::file;
  if (host_.links.count(path) > 0) return FileKind::symlink;
  if (host_.directories.count(path) > 0) return FileKind::directory;
  const auto below = [&](const auto& entries) {
    const auto next = entries.lower_bound(path + "/");
    return next != entries.end() && next->first.rfind(path + "/", 0) == 0;
  };
  return below(host_.contents) || below(host_.links) ? FileKind::directory : FileKind::none;
}

inline void MemoryFiles::write(const std::string& path, const std::string& content, std::chrono::seconds) {
  host_.change("write " + path + " " + content);
  host_.touch(path);
  if (host_.on_write) host_.on_write(path, content);
  else host_.contents[path] = content;
}

inline void MemoryFiles::put_file(const std::string& path, const std::string& content, unsigned) {
  host_.change("put " + path + " " + content);
  host_.contents[path] = content;
}

inline void MemoryFiles::remove_file(const std::string& path) {
  host_.change("remove " + path);
  host_.contents.erase(path);
}

inline void MemoryFiles::make_directory(const std::string& path, unsigned) {
  host_.change("make " + path);
  host_.directories.insert(path);
}

inline void MemoryFiles::remove_directory(const std::string& path) {
  host_.change("rmdir " + path);
  const auto next = host_.contents.lower_bound(path + "/");
  if (next == host_.contents.end() || next->first.rfind(path + "/", 0) != 0) host_.directories.erase(path);
}

// A StepContext that waits on the host's clock.
class MemoryContext : public StepContext {
 public:
  MemoryContext(const Spec& spec, Host& host) : spec_(spec), host_(host) {}

  std::set<std::string> withdrawn;
  std::vector<std::string> progress_lines;

  const Spec& spec() const override { return spec_; }
  void progress(const std::string& text) override { progress_lines.push_back(text); }
  void log(const std::string&) override {}
  void keep_output(const std::string&, const std::string&, const std::string&) override {}
  std::string output_of(const std::string&) const override { return {}; }
  void wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                  const std::function<bool()>& ready) override {
    const std::int64_t deadline = host_.clock().now() + limit.count();
    while (!ready()) {
      if (host_.clock().now() >= deadline) {
        throw HostError(HostError::Kind::timed_out, what,
                        what + " did not happen within " + std::to_string(limit.count()) + "s");
      }
      host_.clock().sleep_for(poll);
    }
  }
  bool is_withdrawn(const Address& address) const override { return withdrawn.count(address.to_string()) > 0; }

 private:
  const Spec& spec_;
  Host& host_;
};

}  // namespace gpuplan::test
