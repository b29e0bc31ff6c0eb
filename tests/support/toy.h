// A host that has only files, and a step kind whose resources are files: for tests of the engine.
#pragma once

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "host/ports.h"
#include "plan/step_kinds.h"
#include "plugin/step_kind.h"

namespace toy {

using namespace gpuplan;

class ToyFiles : public FileSystem {
 public:
  std::map<std::string, std::string> content;
  std::size_t changes = 0;  // calls that may have changed something

  std::string read(const std::string& path) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = content.find(path);
    if (found == content.end()) throw HostError(HostError::Kind::not_found, path, "cannot read " + path);
    return found->second;
  }
  std::vector<std::string> list(const std::string& directory) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::vector<std::string> out;
    for (auto file = content.lower_bound(directory + "/"); file != content.end(); ++file) {
      if (file->first.rfind(directory + "/", 0) != 0) break;
      out.push_back(file->first.substr(directory.size() + 1));
    }
    return out;
  }
  std::string read_link(const std::string& path) override { return read(path); }
  FileKind kind(const std::string& path) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    return content.count(path) > 0 ? FileKind::file : FileKind::none;
  }
  void write(const std::string& path, const std::string& text, std::chrono::seconds) override { put_file(path, text, 0644); }
  void put_file(const std::string& path, const std::string& text, unsigned) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++changes;
    content[path] = text;
  }
  void remove_file(const std::string& path) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++changes;
    content.erase(path);
  }
  void make_directory(const std::string&, unsigned) override { count_change(); }
  void remove_directory(const std::string&) override { count_change(); }

 private:
  void count_change() {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++changes;
  }

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
  std::string lives_in;                 // name; goes where that goes
  bool drains = false;                  // its withdraw cannot be undone
  bool has_disk = false;                // its removal has a commit stage
  bool goes_along = false;              // its removal has no stage if what it lives in is withdrawn
};

// Each resource is the file /toy/NAME with the JSON of its attributes. Three host calls per apply, so
// that it can be caught half-done: first /toy/NAME.part, then /toy/NAME, then the part goes. The host is
// strict: it refuses what needs something absent, and an item that another resource still holds.
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
      AttributeSchema goes_along{"goes_along", ValueType::boolean};
      AttributeSchema home{"home"};
      home.on_change = OnChange::replace;
      return Schema{color, shape, items, drains, has_disk, goes_along, home};
    }();
    return schema;
  }

  std::vector<Resource> expand(const Spec&) const override {
    std::vector<Resource> out;
    for (const ToyResource& toy : wanted) {
      Resource resource;
      resource.address = Address("toy", toy.name);
      resource.declared = {{"color", toy.color}, {"shape", toy.shape}, {"items", toy.items},
                           {"drains", toy.drains}, {"has_disk", toy.has_disk}, {"goes_along", toy.goes_along},
                           {"home", toy.lives_in}};
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
    const bool home_goes = !change.resource.lives_in.empty() && scope.is_withdrawn(change.resource.lives_in.front());
    if (home_goes && change.resource.declared.flag("goes_along")) change.has_withdraw = false;
    if (change.has_withdraw && change.resource.declared.flag("drains")) {
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
    Json out = {{"inside", Json::object()}, {"half_made", host.files().kind(path + ".part") != FileKind::none}};
    if (const auto text = read_if_there(host.files(), path)) out["file"] = *text;
    for (const std::string& inner : inside(host.files(), path)) {
      if (const auto text = read_if_there(host.files(), inner)) out["inside"][inner] = *text;
    }
    return out;
  }

  void withdraw(const Change& change, const Json&, const Json&, Host& host, StepContext&) const override {
    const std::string path = path_of(change.address);
    if (change.action == Action::update) {
      Attributes held = change.before.attributes;
      held.set("items", std::vector<std::string>{});
      host.files().put_file(path, to_json(held).dump(), 0644);
      return;
    }
    for (const std::string& inner : inside(host.files(), path)) host.files().remove_file(inner);
    if (host.files().kind(path + ".part") != FileKind::none) host.files().remove_file(path + ".part");
    host.files().remove_file(path);
  }

  void apply(const Change& change, const Json&, Host& host, StepContext&) const override {
    const std::string path = path_of(change.address);
    if (lies) return;
    for (const Address& need : change.resource.depends_on) {
      if (host.files().kind(path_of(need)) != FileKind::none) continue;
      throw HostError(HostError::Kind::refused, path, path + " needs " + need.to_string() + ", which is not there");
    }
    for (const std::string& item : change.resource.declared.list("items")) take(host.files(), path, item);
    host.files().put_file(path + ".part", "half", 0644);
    host.files().put_file(path, to_json(change.resource.declared).dump(), 0644);
    host.files().remove_file(path + ".part");
  }

  void commit(const Change& change, const Json&, const Json&, Host& host, StepContext&) const override {
    host.files().put_file("/toy/deleted-" + std::string(change.address.name()), "", 0644);
  }

  void undo(Stage stage, const Change& change, const Json& captured, Host& host, StepContext&) const override {
    const std::string path = path_of(change.address);
    if (captured["half_made"].get<bool>()) host.files().put_file(path + ".part", "half", 0644);
    else host.files().remove_file(path + ".part");
    if (captured.contains("file")) host.files().put_file(path, captured["file"].get<std::string>(), 0644);
    else host.files().remove_file(path);
    if (stage != Stage::withdraw || change.action == Action::update) return;
    for (const auto& [inner, text] : captured["inside"].items()) {
      host.files().put_file(inner, text.get<std::string>(), 0644);
    }
  }

 private:
  static std::string path_of(const Address& address) { return "/toy/" + std::string(address.name()); }

  // Somebody else may take a file away between two looks.
  static std::optional<std::string> read_if_there(FileReader& files, const std::string& path) {
    try {
      return files.read(path);
    } catch (const HostError& error) {
      if (error.kind() != HostError::Kind::not_found) throw;
      return std::nullopt;
    }
  }

  // The resources that are there: path and attributes.
  static std::map<std::string, Attributes> everything(FileReader& files) {
    std::map<std::string, Attributes> out;
    for (const std::string& name : files.list("/toy")) {
      const auto text = read_if_there(files, "/toy/" + name);
      const bool is_resource = text && !text->empty() && text->front() == '{';  // not a part, not a deleted disk
      if (is_resource) out.emplace("/toy/" + name, attributes_from_json(parse_json(*text, name)));
    }
    return out;
  }

  // Paths of what lives in the resource at `path`, however deep.
  static std::vector<std::string> inside(FileReader& files, const std::string& path) {
    const auto all = everything(files);
    std::vector<std::string> out = {path};
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (const auto& [inner, attributes] : all) {
        if ("/toy/" + attributes.text("home") == out[i]) out.push_back(inner);
      }
    }
    out.erase(out.begin());
    return out;
  }

  // An item in the hands of another resource cannot be taken: the order of stages was wrong.
  static void take(FileReader& files, const std::string& path, const std::string& item) {
    for (const auto& [other, attributes] : everything(files)) {
      const std::vector<std::string> items = attributes.list("items");
      if (other == path || std::find(items.begin(), items.end(), item) == items.end()) continue;
      throw HostError(HostError::Kind::busy, item, item + " is held by " + other);
    }
  }
};

}  // namespace toy
