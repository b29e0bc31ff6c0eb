#include "host/sim/view.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <sstream>

#include "host/pci/boot_files.h"

namespace gpuplan::sim {
namespace {

constexpr int most_links = 40;  // as the kernel's MAXSYMLINKS

std::vector<std::string> split_path(const std::string& path) {
  std::vector<std::string> parts;
  std::istringstream stream(path);
  std::string part;
  while (std::getline(stream, part, '/')) {
    if (!part.empty() && part != ".") parts.push_back(part);
  }
  return parts;
}

// The names directly below `directory` among the host's own files and directories.
Entries disk_entries(const Model& model, const std::string& directory);

Node disk_directory(const Model& model, const std::string& path) {
  return Node::directory([&model, path] { return disk_entries(model, path); });
}

void add_disk_entry(const Model& model, const std::string& directory, const std::string& path, Entries& entries) {
  if (path.size() <= directory.size() + 1 || path.compare(0, directory.size() + 1, directory + "/") != 0) return;
  const std::size_t end = path.find('/', directory.size() + 1);
  const std::string name = path.substr(directory.size() + 1, end - directory.size() - 1);
  for (const auto& entry : entries) {
    if (entry.first == name) return;
  }
  const std::string full = directory + "/" + name;
  const auto file = model.files.find(full);
  if (file == model.files.end()) {
    entries.emplace_back(name, disk_directory(model, full));
    return;
  }
  const PlainFile* content = &file->second;
  entries.emplace_back(name, Node::file([content] { return content->content; }).writable(Attribute::plain, full));
}

Entries disk_entries(const Model& model, const std::string& directory) {
  Entries entries;
  for (const auto& [path, file] : model.files) add_disk_entry(model, directory, path, entries);
  for (const std::string& path : model.directories) add_disk_entry(model, directory, path, entries);
  return entries;
}

// Directories that every distribution has.
constexpr std::array<const char*, 15> usual_directories = {
    "/etc/default", "/etc/modprobe.d", "/etc/modules-load.d", "/etc/systemd/system", "/etc/udev/rules.d", "/root", "/run",
    "/tmp", "/usr/lib/systemd/system", "/usr/bin", "/var/lib", "/var/log", "/home", "/opt", "/usr/share"};

std::string os_release(const Model& model) {
  return fmt::format("PRETTY_NAME=\"{}\"\nNAME=\"{}\"\nVERSION_ID=\"{}\"\nID={}\n", model.os.name,
                     model.os.name.substr(0, model.os.name.find(' ')), model.os.version_id, model.os.id);
}

std::string fabric_manager_config(const Model& model) {
  return fmt::format("FABRIC_MODE={}\nFABRIC_MODE_RESTART=0\n", model.fabric_manager.mode == "shared" ? 1 : 0);
}

// The host's disk: its own files, and those that are generated unless they are among them.
Entries generated_disk(const Model& model, Entries entries, const std::string& directory) {
  const auto add = [&](const char* path, std::function<std::string()> content) {
    const std::string full = path;
    const std::size_t slash = full.rfind('/');
    if (full.substr(0, slash) == directory) {
      const std::string name = full.substr(slash + 1);
      const bool own = std::any_of(entries.begin(), entries.end(), [&](const auto& e) { return e.first == name; });
      if (!own) entries.emplace_back(name, Node::file(std::move(content)).writable(Attribute::plain, full));
    }
  };
  add("/etc/os-release", [&model] { return os_release(model); });
  add("/etc/machine-id", [&model] { return model.machine_id + "\n"; });
  // What udev and libvirt's package bring.
  add("/etc/passwd", [] { return std::string("root:x:0:0:root:/root:/bin/bash\n"
                                              "libvirt-qemu:x:64055:993:Libvirt Qemu:/var/lib/libvirt:/usr/sbin/nologin\n"); });
  add("/etc/group", [] { return std::string("root:x:0:\nkvm:x:993:\n"); });
  add("/etc/hostname", [] { return std::string("simulated\n"); });
  if (package_installed(model, "driverctl")) add(driverctl_program, [] { return std::string(); });
  if (model.fabric_manager.mode != "none") {
    add("/usr/share/nvidia/nvswitch/fabricmanager.cfg", [&model] { return fabric_manager_config(model); });
  }
  return entries;
}

Entries whole_disk(const Model& model, const std::string& directory) {
  Entries entries = disk_entries(model, directory);
  entries = generated_disk(model, std::move(entries), directory);
  std::vector<std::string> paths(usual_directories.begin(), usual_directories.end());
  if (model.fabric_manager.mode != "none") paths.emplace_back("/usr/share/nvidia/nvswitch");
  if (package_installed(model, "driverctl")) paths.insert(paths.end(), {"/usr/sbin", driverctl_directory});
  for (const Pool& pool : model.pools) paths.push_back(pool.path);
  for (const std::string& path : paths) add_disk_entry(model, directory, path, entries);
  for (auto& [name, node] : entries) {
    if (node.kind != FileKind::directory) continue;
    node.children = [&model, path = directory + "/" + name] { return whole_disk(model, path); };
  }
  return entries;
}

std::optional<Node> entry_of(const Node& directory, const std::string& name) {
  if (directory.child) return directory.child(name);
  Entries entries = directory.children();
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == name; });
  if (found == entries.end()) return std::nullopt;
  return std::move(found->second);
}

// The node at `parts`, or the first symlink on the way: `done` says how many parts led to it.
Node walk(const Model& model, const std::vector<std::string>& parts, bool follow, std::size_t& done) {
  Node node = root(model);
  for (done = 0; done < parts.size(); ++done) {
    if (node.kind == FileKind::symlink) return node;
    if (node.kind != FileKind::directory) return {};
    std::optional<Node> next = entry_of(node, parts[done]);
    if (!next) return {};
    node = std::move(*next);
  }
  if (node.kind == FileKind::symlink && !follow) done = parts.size() + 1;
  return node;
}

// The directories that the kernel fills; whatever stands in their place on the disk is hidden.
std::optional<Node> kernel_directory(const Model& model, const std::string& name) {
  if (name == "sys") return Node::directory([&model] { return sys_entries(model); });
  if (name == "proc") return Node::directory([&model] { return proc_entries(model); });
  if (name == "dev") return Node::directory([&model] { return dev_entries(model); });
  return std::nullopt;
}

// `parts` with the symlink after `done` components replaced by its target, and ".." taken away.
std::vector<std::string> resolved(const std::vector<std::string>& parts, std::size_t done, const std::string& target) {
  std::vector<std::string> raw;
  if (target.empty() || target[0] != '/') raw.assign(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(done) - 1);
  for (std::string& part : split_path(target)) raw.push_back(std::move(part));
  raw.insert(raw.end(), parts.begin() + static_cast<std::ptrdiff_t>(done), parts.end());
  std::vector<std::string> clean;
  for (std::string& part : raw) {
    if (part != "..") clean.push_back(std::move(part));
    else if (!clean.empty()) clean.pop_back();
  }
  return clean;
}

}  // namespace

Node Node::file(std::string content) {
  return file([content = std::move(content)] { return content; });
}

Node Node::file(std::function<std::string()> content) {
  Node node;
  node.kind = FileKind::file;
  node.text = std::move(content);
  return node;
}

Node Node::directory(std::function<Entries()> children) {
  Node node;
  node.kind = FileKind::directory;
  node.children = std::move(children);
  return node;
}

Node Node::link(std::string target) {
  Node node;
  node.kind = FileKind::symlink;
  node.text = [target = std::move(target)] { return target; };
  return node;
}

Node Node::finding(std::function<std::optional<Node>(const std::string&)> by_name) && {
  child = std::move(by_name);
  return std::move(*this);
}

Node Node::writable(Attribute what, std::string about) && {
  attribute = what;
  subject = std::move(about);
  return std::move(*this);
}

Node root(const Model& model) {
  return Node::directory([&model] {
    Entries entries = whole_disk(model, "");
    entries.erase(std::remove_if(entries.begin(), entries.end(),
                                 [](const auto& e) { return e.first == "sys" || e.first == "proc" || e.first == "dev"; }),
                  entries.end());
    for (const char* name : {"sys", "proc", "dev"}) entries.emplace_back(name, *kernel_directory(model, name));
    return entries;
  }).finding([&model](const std::string& name) -> std::optional<Node> {
    if (auto directory = kernel_directory(model, name)) return directory;
    return entry_of(Node::directory([&model] { return whole_disk(model, ""); }), name);
  });
}

Node look_up(const Model& model, const std::string& path, bool follow) {
  std::vector<std::string> parts = split_path(path);
  for (int links = 0; links < most_links; ++links) {
    std::size_t done = 0;
    Node node = walk(model, parts, follow, done);
    const bool through = node.kind == FileKind::symlink && done <= parts.size();
    if (!through) return node;
    parts = resolved(parts, done, node.text());
  }
  return {};
}

Entries empty_directories(const std::vector<std::string>& names) {
  Entries entries;
  for (const std::string& name : names) entries.emplace_back(name, Node::directory([] { return Entries(); }));
  return entries;
}

Node nested(const std::vector<std::string>& names, std::size_t from, Node leaf) {
  if (from == names.size()) return leaf;
  return Node::directory([names, from, leaf] {
    Entries entries;
    entries.emplace_back(names[from], nested(names, from + 1, leaf));
    return entries;
  });
}

std::vector<int> read_cpu_list(const std::string& text) {
  std::vector<int> numbers;
  std::istringstream ranges(text);
  std::string range;
  while (std::getline(ranges, range, ',')) {
    int first = 0;
    const char* end = range.data() + range.size();
    auto parsed = std::from_chars(range.data(), end, first);
    int last = first;
    if (parsed.ptr != end && *parsed.ptr == '-') std::from_chars(parsed.ptr + 1, end, last);
    for (int number = first; number <= last; ++number) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace gpuplan::sim
