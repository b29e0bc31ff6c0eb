#include "host/sim/sim_files.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "host/sim/driver_core.h"
#include "host/sim/errors.h"

namespace gpuplan::sim {
namespace {

// As long as a real host waits for a read that may block.
constexpr std::chrono::seconds read_limit{10};

struct Answer {
  int error = 0;
  bool hangs = false;
  std::string text;
};

bool is_kernel_path(const std::string& path) {
  for (const char* top : {"/sys", "/proc", "/dev"}) {
    const std::string prefix = top;
    if (path == prefix || path.compare(0, prefix.size() + 1, prefix + "/") == 0) return true;
  }
  return false;
}

std::string parent(const std::string& path) { return path.substr(0, path.rfind('/')); }

WriteResult write_hugepages(Model& model, const Node& node, const std::string& text) {
  std::int64_t pages = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), pages).ec != std::errc{} || pages < 0) return {EINVAL, false};
  const bool gigantic = node.attribute == Attribute::hugepages_1g;
  const auto number = static_cast<std::size_t>(std::stoul(node.subject));
  NumaNode& numa = model.numa[number];
  std::int64_t& reserved = gigantic ? numa.hugepages_1g : numa.hugepages_2m;
  const std::int64_t used = reserved - free_hugepages(model, number, gigantic);
  const std::int64_t used_here = model.memory_used_mib / static_cast<std::int64_t>(model.numa.size());
  const std::int64_t unreserved = numa.memory_mib - used_here - numa.hugepages_2m * 2 - numa.hugepages_1g * 1024;
  const std::int64_t room = std::max<std::int64_t>(std::min(unreserved, free_memory_mib(model)), 0) / (gigantic ? 1024 : 2);
  // The kernel reserves as many as it can find, and never takes back those in use.
  reserved = std::clamp(pages, used, std::max(reserved + room, used));
  return {};
}

WriteResult write_plain(Model& model, const std::string& path, const std::string& content, const Node& node) {
  PlainFile& file = model.files[path];
  const std::string before = node.text ? node.text() : std::string();
  // One write at the beginning, without truncation.
  file.content = content + (content.size() < before.size() ? before.substr(content.size()) : "");
  return {};
}

WriteResult perform_write(Model& model, const Node& node, const std::string& content) {
  Device* device = model.device_named(node.subject);
  switch (node.attribute) {
    case Attribute::none: return {EACCES, false};
    case Attribute::plain: return write_plain(model, node.subject, content, node);
    case Attribute::driver_override: return write_driver_override(model, *device, content);
    case Attribute::sriov_numvfs: return write_sriov_numvfs(*device, content);
    case Attribute::power_control: return write_power_control(*device, content);
    case Attribute::unbind_lock: return write_unbind_lock(model, *device, content);
    case Attribute::bind: return write_bind(model, node.subject, content);
    case Attribute::unbind: return write_unbind(model, node.subject, content);
    case Attribute::new_id: return write_new_id(model, node.subject, content);
    case Attribute::remove_id: return write_remove_id(model, node.subject, content);
    case Attribute::drivers_probe: return write_drivers_probe(model, content);
    case Attribute::hugepages_2m:
    case Attribute::hugepages_1g: return write_hugepages(model, node, content);
    case Attribute::unsafe_interrupts:
      model.iommu.allow_unsafe_interrupts = !content.empty() && (content[0] == 'Y' || content[0] == '1');
      return {};
    case Attribute::harmless: return {};
  }
  return {};
}

// Files of the disk that are generated have no entry yet; both count as present.
bool is_directory(const Model& model, const std::string& path) {
  return path.empty() || look_up(model, path, true).kind == FileKind::directory;
}

}  // namespace

void SimFiles::hang(const std::string& verb, const std::string& path, std::chrono::seconds limit) {
  simulation_.clock().sleep_for(limit);
  throw hang_error(verb, path, limit);
}

std::string SimFiles::read(const std::string& path) {
  const Answer answer = simulation_.look([&](Model& model, std::int64_t) -> Answer {
    const Node node = look_up(model, path, true);
    if (node.kind == FileKind::none) return {ENOENT, false, {}};
    if (node.kind == FileKind::directory) return {EISDIR, false, {}};
    if (node.device_hangs) return {0, true, {}};
    return {0, false, node.text()};
  });
  if (answer.hangs) hang("read", path, read_limit);
  if (answer.error != 0) throw file_error("read", path, answer.error);
  return answer.text;
}

std::vector<std::string> SimFiles::list(const std::string& path) {
  std::vector<std::string> names;
  const int error = simulation_.look([&](Model& model, std::int64_t) {
    const Node node = look_up(model, path, true);
    if (node.kind == FileKind::none) return ENOENT;
    if (node.kind != FileKind::directory) return ENOTDIR;
    for (auto& entry : node.children()) names.push_back(entry.first);
    return 0;
  });
  if (error != 0) throw file_error("list", path, error);
  std::sort(names.begin(), names.end());
  return names;
}

std::string SimFiles::read_link(const std::string& path) {
  const Answer answer = simulation_.look([&](Model& model, std::int64_t) -> Answer {
    const Node node = look_up(model, path, false);
    if (node.kind == FileKind::none) return {ENOENT, false, {}};
    if (node.kind != FileKind::symlink) return {EINVAL, false, {}};
    if (node.device_hangs) return {0, true, {}};
    return {0, false, node.text()};
  });
  if (answer.hangs) hang("read link", path, read_limit);
  if (answer.error != 0) throw file_error("read link", path, answer.error);
  return answer.text;
}

FileKind SimFiles::kind(const std::string& path) {
  return simulation_.look([&](Model& model, std::int64_t) { return look_up(model, path, false).kind; });
}

void SimFiles::write(const std::string& path, const std::string& content, std::chrono::seconds limit) {
  const WriteResult result = simulation_.change([&](Model& model, std::int64_t) -> WriteResult {
    const Node node = look_up(model, path, true);
    if (node.kind == FileKind::none) return {ENOENT, false};
    if (node.kind == FileKind::directory) return {EISDIR, false};
    return perform_write(model, node, content);
  });
  if (result.hangs) hang("write", path, limit);
  if (result.error != 0) throw file_error("write", path, result.error);
}

void SimFiles::put_file(const std::string& path, const std::string& content, unsigned mode) {
  const int error = simulation_.change([&](Model& model, std::int64_t) {
    if (is_kernel_path(path)) return EACCES;
    if (!is_directory(model, parent(path))) return ENOENT;
    if (is_directory(model, path)) return EISDIR;
    model.files[path] = PlainFile{content, mode};
    return 0;
  });
  if (error != 0) throw file_error("write", path, error);
}

void SimFiles::remove_file(const std::string& path) {
  const int error = simulation_.change([&](Model& model, std::int64_t) {
    if (is_kernel_path(path)) return look_up(model, path, false).kind == FileKind::none ? 0 : EPERM;
    if (is_directory(model, path)) return EISDIR;
    if (model.files.erase(path) == 0) return 0;
    // The directory stays although nothing else may name it.
    if (!is_directory(model, parent(path))) model.directories.insert(parent(path));
    return 0;
  });
  if (error != 0) throw file_error("remove", path, error);
}

void SimFiles::make_directory(const std::string& path, unsigned /*mode*/) {
  const int error = simulation_.change([&](Model& model, std::int64_t) {
    const FileKind kind = look_up(model, path, true).kind;
    if (kind == FileKind::directory) return 0;
    if (is_kernel_path(path)) return EPERM;
    if (kind != FileKind::none) return EEXIST;
    model.directories.insert(path);
    return 0;
  });
  if (error != 0) throw file_error("create", path, error);
}

void SimFiles::remove_directory(const std::string& path) {
  const int error = simulation_.change([&](Model& model, std::int64_t) {
    const Node node = look_up(model, path, false);
    if (node.kind == FileKind::none) return 0;
    if (is_kernel_path(path)) return EPERM;
    if (node.kind != FileKind::directory) return ENOTDIR;
    if (!node.children().empty() || model.directories.erase(path) == 0) return 0;
    const std::string above = parent(path);
    if (!is_directory(model, above)) model.directories.insert(above);
    return 0;
  });
  if (error != 0) throw file_error("remove", path, error);
}

}  // namespace gpuplan::sim
