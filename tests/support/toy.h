// A host that has only files, and a step kind whose resources are files: for tests of the engine.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "host/ports.h"
#include "plan/step_kinds.h"
#include "plugin/step_kind.h"

namespace toy {

using namespace gpuplan;

class ToyFiles : public FileSystem {
 public:
  std::map<std::string, std::string> content;

  std::string read(const std::string& path) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = content.find(path);
    if (found == content.end()) throw HostError(HostError::Kind::not_found, path, "cannot read " + path);
    return found->second;
  }
  std::vector<std::string> list(const std::string&) override { return {}; }
  std::string read_link(const std::string& path) override { return read(path); }
  FileKind kind(const std::string& path) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return content.count(path) > 0 ? FileKind::file : FileKind::none;
  }
  void write(const std::string& path, const std::string& text, std::chrono::seconds) override { put_file(path, text, 0644); }
  void put_file(const std::string& path, const std::string& text, unsigned) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    content[path] = text;
  }
  void remove_file(const std::string& path) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    content.erase(path);
  }
  void make_directory(const std::string&, unsigned) override {}
  void remove_directory(const std::string&) override {}

 private:
  std::mutex mutex_;
};

class ToyClock : public Clock {
 public:
  std::int64_t now() override { return now_; }
  void sleep_for(std::chrono::milliseconds duration) override { now_ += std::max<std::int64_t>(1, duration.count() / 1000); }

 private:
  std::atomic<std::int64_t> now_{1'000'000};
};

class ToyHost : public Host {
 public:
  std::string name = "toy";
  ToyFiles file_system;
  ToyClock toy_clock;

  std::string identity() override { return name; }
  std::string description() override { return name; }
  std::map<std::string, std::string> limitations() override { return {}; }
  FileSystem& files() override { return file_system; }
  CommandResult query(const Command& command) override { return none(command); }
  CommandResult run(const Command& command) override { return none(command); }
  Hypervisor& hypervisor() override { throw HostError(HostError::Kind::unsupported, "toy", "no hypervisor here"); }
  Guests& guests() override { throw HostError(HostError::Kind::unsupported, "toy", "no guests here"); }
  Clock& clock() override { return toy_clock; }

 private:
  static CommandResult none(const Command& command) {
    throw HostError(HostError::Kind::not_found, join_argv(command.argv), "no such command");
  }
};

// What one toy resource should be; tests fill ToyKind::wanted instead of writing a spec.
struct ToyResource {
  std::string name;
  std::string color;                    // updated in place
  std::string shape = "round";          // a change replaces
  std::vector<std::string> items;       // exclusive
  std::vector<std::string> needs;       // names
  std::string lives_in;                 // name
  bool drains = false;                  // its withdraw cannot be undone
  bool has_disk = false;                // its removal has a commit stage
};

// Each resource is the file /toy/NAME with the JSON of its attributes. Two host calls per apply, so
// that it can be caught half-done: first /toy/NAME.part, then /toy/NAME.
class ToyKind : public StepKind {
 public:
  std::vector<ToyResource> wanted;
  std::vector<CheckResult> checks;
  bool lies = false;  // apply() returns without doing anything

  std::string_view kind() const override { return "toy"; }

  const Schema& schema() const override {
    static const Schema schema = [] {
      AttributeSchema color{"color"};
      AttributeSchema shape{"shape"};
      shape.on_change = OnChange::replace;
      AttributeSchema items{"items", ValueType::list};
      items.exclusive = true;
      AttributeSchema drains{"drains", ValueType::boolean};
      AttributeSchema has_disk{"has_disk", ValueType::boolean};
      return Schema{color, shape, items, drains, has_disk};
    }();
    return schema;
  }

  std::vector<Resource> expand(const Spec&) const override {
    std::vector<Resource> out;
    for (const ToyResource& toy : wanted) {
      Resource resource;
      resource.address = Address("toy", toy.name);
      resource.declared = {{"color", toy.color}, {"shape", toy.shape}, {"items", toy.items},
                           {"drains", toy.drains}, {"has_disk", toy.has_disk}};
      for (const std::string& need : toy.needs) resource.depends_on.emplace_back("toy", need);
      if (!toy.lives_in.empty()) resource.lives_in = {Address("toy", toy.lives_in)};
      out.push_back(std::move(resource));
    }
    return out;
  }

  std::vector<CheckResult> check(const Resource&, const Spec&, const Prior&, HostReader&) const override { return checks; }

  Observation observe(const Resource& resource, const Prior&, HostReader& host) const override {
    Observation out;
    const std::string path = path_of(resource.address);
    if (host.files().kind(path) == FileKind::none) return out;
    out.exists = true;
    out.attributes = attributes_from_json(parse_json(host.files().read(path), path));
    return out;
  }

  Change compare(const Resource& resource, const Observation& observation, const Prior& prior) const override {
    Change change = StepKind::compare(resource, observation, prior);
    if (change.action == Action::update) {
      const Value* before = observation.attributes.find("items");
      change.has_withdraw = before != nullptr && *before != *resource.declared.find("items");
    }
    return change;
  }

  void plan_removal(Change& change, const RemovalScope& scope) const override {
    StepKind::plan_removal(change, scope);
    if (change.resource.declared.flag("drains")) {
      change.withdraw_is_irreversible = true;
      change.irreversible.push_back("it is drained");
    }
    if (change.resource.declared.flag("has_disk")) {
      change.has_commit = true;
      change.irreversible.push_back("its disk is deleted");
    }
  }

  Json capture(const Change& change, HostReader& host) const override {
    const std::string path = path_of(change.address);
    Json out = Json::object();
    if (host.files().kind(path) != FileKind::none) out["file"] = host.files().read(path);
    return out;
  }

  void withdraw(const Change& change, const Json&, const Json&, Host& host, StepContext&) const override {
    if (change.action == Action::update) {
      Attributes held = change.before.attributes;
      held.set("items", std::vector<std::string>{});
      host.files().put_file(path_of(change.address), to_json(held).dump(), 0644);
      return;
    }
    host.files().remove_file(path_of(change.address));
  }

  void apply(const Change& change, const Json&, Host& host, StepContext&) const override {
    const std::string path = path_of(change.address);
    if (lies) return;
    for (const std::string& item : change.resource.declared.list("items")) take(host, path, item);
    host.files().put_file(path + ".part", "half", 0644);
    host.files().put_file(path, to_json(change.resource.declared).dump(), 0644);
    host.files().remove_file(path + ".part");
  }

  void commit(const Change& change, const Json&, const Json&, Host& host, StepContext&) const override {
    host.files().put_file("/toy/deleted-" + std::string(change.address.name()), "", 0644);
  }

  void undo(Stage, const Change& change, const Json& captured, Host& host, StepContext&) const override {
    const std::string path = path_of(change.address);
    host.files().remove_file(path + ".part");
    if (captured.contains("file")) host.files().put_file(path, captured["file"].get<std::string>(), 0644);
    else host.files().remove_file(path);
  }

 private:
  static std::string path_of(const Address& address) { return "/toy/" + std::string(address.name()); }

  // An item in the hands of another resource cannot be taken: the order of stages was wrong.
  static void take(Host& host, const std::string& path, const std::string& item) {
    FileSystem& files = host.files();
    for (const char* other : {"/toy/a", "/toy/b", "/toy/c"}) {
      if (path == other || files.kind(other) == FileKind::none) continue;
      const Json held = parse_json(files.read(other), other);
      for (const Json& name : held["items"]) {
        if (name == item) throw HostError(HostError::Kind::busy, item, item + " is held by " + other);
      }
    }
  }
};

}  // namespace toy
