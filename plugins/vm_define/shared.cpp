#include "shared.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "host/virsh.h"
#include "host/xml/domain_xml.h"
#include "json/json.h"
#include "spec/network_range.h"

namespace gpuplan::vm_define {
namespace {

constexpr unsigned mark_mode = 0644;
constexpr unsigned directory_mode = 0711;  // QEMU's user passes through, others do not list
constexpr std::chrono::minutes image_limit{60};
constexpr std::int64_t bytes_per_mib = 1 << 20;

std::string mark_path(const std::string& directory) { return directory + "/" + std::string(pool_mark); }

void write_mark(const std::string& directory, const PoolMark& mark, Host& host) {
  const Json content = {{"cluster", mark.cluster}, {"directories", mark.directories}};
  host.files().put_file(mark_path(directory), content.dump() + "\n", mark_mode);
}

void ensure_pool(const Vm& vm, Host& host, StepContext& context) {
  const auto existing = host.hypervisor().pool(vm.pool);
  if (existing && existing->active) return;
  if (!existing && !read_pool_mark(host.files(), vm.pool_path)) {
    context.progress(fmt::format("making storage pool {} in {}", vm.pool, vm.pool_path));
    const PoolMark mark{vm.owner, missing_directories(host.files(), vm.pool_path)};
    host.files().make_directory(vm.pool_path, directory_mode);
    write_mark(vm.pool_path, mark, host);
  }
  host.hypervisor().define_pool(vm.pool, existing ? existing->path : vm.pool_path);
}

std::string ensure_image(const Vm& vm, const Spec& spec, Host& host, StepContext& context) {
  auto image = host.hypervisor().volume(vm.pool, vm.image);
  if (!image) {
    const std::string what = spec.image.path.empty() ? spec.image.url : spec.image.path;
    context.progress(fmt::format("fetching {}", what));
    const auto progress = [&](std::int64_t done, std::int64_t total) {
      const std::string of_all = total > 0 ? fmt::format(" of {} MiB", total / bytes_per_mib) : " MiB";
      context.progress(fmt::format("fetching {}: {}{}", what, done / bytes_per_mib, of_all));
    };
    host.hypervisor().fetch_image(vm.pool, vm.image,
                                  {spec.image.url, spec.image.path, spec.image.sha256, image_limit, progress});
    image = host.hypervisor().volume(vm.pool, vm.image);
  }
  if (!image) {
    throw HostError(HostError::Kind::failed, vm.image,
                    fmt::format("the base image {} is not in storage pool {} although it was fetched; see what is in it{}",
                                vm.image, vm.pool, with_virsh(host.hypervisor(), {"vol-list", vm.pool})));
  }
  return image->path;
}

void ensure_network(const Vm& vm, const Spec& spec, Host& host, StepContext& context) {
  if (bridge_in(vm.network)) return;
  const auto existing = host.hypervisor().network(vm.network);
  if (existing && existing->active) return;
  if (!existing) {
    context.progress(fmt::format("making network {}", vm.network));
    const auto range = parse_ipv4_range(spec.network.cidr);
    NetworkDefinition definition;
    definition.name = vm.network;
    definition.owner.cluster = vm.owner;
    definition.address = range ? format_ipv4(range->base + 1) : "";
    definition.netmask = range ? range->netmask() : "";
    host.hypervisor().define_network(render_network(definition));
  }
  host.hypervisor().start_network(vm.network);
}

bool is_disk_of_domain(const std::string& path, Host& host) {
  for (const DomainState& domain : host.hypervisor().domains()) {
    const auto definition = parse_domain(domain.xml);
    if (!definition) continue;
    const auto& disks = definition->disks;
    if (std::any_of(disks.begin(), disks.end(), [&](const DomainDisk& disk) { return disk.path == path; })) return true;
  }
  return false;
}

// Of all images only the one that the caller's VM stood on: another may be what another cluster has fetched and has not
// made a disk on yet. One that is left over is better than one that is missing.
void delete_unused_image(const std::string& pool, const std::string& name, Host& host) {
  if (!is_image_volume(name)) return;
  const std::vector<VolumeState> volumes = host.hypervisor().volumes(pool);
  const auto image = std::find_if(volumes.begin(), volumes.end(),
                                  [&](const VolumeState& volume) { return volume.name == name; });
  if (image == volumes.end()) return;
  const bool used = std::any_of(volumes.begin(), volumes.end(),
                                [&](const VolumeState& volume) { return volume.backing_path == image->path; });
  if (!used && !is_disk_of_domain(image->path, host)) host.hypervisor().delete_volume(pool, name);
}

bool is_empty(const std::string& pool, Host& host) {
  const std::vector<VolumeState> volumes = host.hypervisor().volumes(pool);
  return std::all_of(volumes.begin(), volumes.end(),
                     [](const VolumeState& volume) { return volume.name == pool_mark; });
}

// Both lists, deepest directories first.
std::vector<std::string> merged(std::vector<std::string> directories, const std::vector<std::string>& more) {
  directories.insert(directories.end(), more.begin(), more.end());
  std::sort(directories.begin(), directories.end(), std::greater<>());  // a child sorts behind its parent
  directories.erase(std::unique(directories.begin(), directories.end()), directories.end());
  return directories;
}

void release_pool(const Shared::Remains& remains, Host& host) {
  const auto pool = host.hypervisor().pool(remains.pool);
  if (pool && pool->path != remains.pool_path) return;
  if (pool && pool->active) delete_unused_image(remains.pool, remains.image, host);
  const auto mark = read_pool_mark(host.files(), remains.pool_path);
  if (mark && mark->cluster != remains.owner) return;
  if (pool && !mark) return;
  const std::vector<std::string> directories =
      merged(mark ? mark->directories : std::vector<std::string>{}, remains.directories);
  if (pool && pool->active && !is_empty(remains.pool, host)) {
    if (directories != merged(mark->directories, {}))
      write_mark(remains.pool_path, {remains.owner, directories}, host);
    return;
  }
  if (pool) host.hypervisor().remove_pool(remains.pool);
  if (mark) host.files().remove_file(mark_path(remains.pool_path));
  for (const std::string& made : directories) {
    if (host.files().kind(made) == FileKind::directory) host.files().remove_directory(made);
  }
}

void release_network(const std::string& owner, const std::string& network, Host& host) {
  if (network.empty() || bridge_in(network)) return;
  const auto existing = host.hypervisor().network(network);
  if (!existing) return;
  const auto definition = parse_network(existing->xml);
  if (!definition || definition->owner.cluster != owner) return;
  for (const DomainState& domain : host.hypervisor().domains()) {
    const auto other = parse_domain(domain.xml);
    if (other && other->network == network) return;
  }
  host.hypervisor().remove_network(network);
}

}  // namespace

std::optional<PoolMark> read_pool_mark(FileReader& files, const std::string& directory) {
  const std::string path = mark_path(directory);
  if (files.kind(path) != FileKind::file) return std::nullopt;
  try {
    const Json content = parse_json(files.read(path), path);
    PoolMark mark;
    mark.cluster = string_at(content, "/cluster");
    for (const Json& made : member_at(content, "/directories")) {
      if (made.is_string()) mark.directories.push_back(made.get<std::string>());
    }
    return mark;
  } catch (const JsonError&) {
    return std::nullopt;  // not written by gpuplan: the pool is somebody else's
  }
}

std::vector<std::string> missing_directories(FileReader& files, const std::string& path) {
  std::vector<std::string> missing;
  for (std::string at = path; at.size() > 1; at = at.substr(0, at.rfind('/'))) {
    if (files.kind(at) != FileKind::none) break;
    missing.push_back(at);
  }
  return missing;
}

std::string Shared::ensure(const Vm& vm, const Spec& spec, Host& host, StepContext& context) {
  const std::lock_guard<std::mutex> lock(mutex_);
  ensure_pool(vm, host, context);
  std::string image = ensure_image(vm, spec, host, context);
  ensure_network(vm, spec, host, context);
  return image;
}

void Shared::release(const Remains& remains, Host& host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  release_network(remains.owner, remains.network, host);
  release_pool(remains, host);
}

}  // namespace gpuplan::vm_define
