#include "host/guard/guarded_view.h"

namespace gpuplan {
namespace {

// The first <name> of a libvirt document, which is that of the object itself. For error texts only.
std::string name_in(const std::string& xml) {
  static const std::string open = "<name>";
  const std::size_t begin = xml.find(open);
  const std::size_t end = xml.find("</name>");
  if (begin == std::string::npos || end == std::string::npos || end < begin) return "without a name";
  return xml.substr(begin + open.size(), end - begin - open.size());
}

}  // namespace

std::vector<DomainState> GuardedHypervisor::domains() { return host_.hypervisor().domains(); }

std::optional<DomainState> GuardedHypervisor::domain(const std::string& name) {
  return host_.hypervisor().domain(name);
}

std::vector<NetworkState> GuardedHypervisor::networks() { return host_.hypervisor().networks(); }

std::optional<NetworkState> GuardedHypervisor::network(const std::string& name) {
  return host_.hypervisor().network(name);
}

std::optional<PoolState> GuardedHypervisor::pool(const std::string& name) { return host_.hypervisor().pool(name); }

std::vector<VolumeState> GuardedHypervisor::volumes(const std::string& pool) {
  return host_.hypervisor().volumes(pool);
}

std::optional<VolumeState> GuardedHypervisor::volume(const std::string& pool, const std::string& name) {
  return host_.hypervisor().volume(pool, name);
}

std::string GuardedHypervisor::console_tail(const std::string& domain, std::size_t lines) {
  return host_.hypervisor().console_tail(domain, lines);
}

std::optional<std::vector<std::string>> GuardedHypervisor::console(const std::string& domain) {
  return host_.hypervisor().console(domain);
}

void GuardedHypervisor::define_domain(const std::string& xml) {
  const std::string name = name_in(xml);
  guard_.before("define domain " + name, name);
  host_.hypervisor().define_domain(xml);
}

void GuardedHypervisor::start_domain(const std::string& name) {
  guard_.before("start domain " + name, name);
  host_.hypervisor().start_domain(name);
}

void GuardedHypervisor::shut_down_domain(const std::string& name) {
  guard_.before("shut down domain " + name, name);
  host_.hypervisor().shut_down_domain(name);
}

void GuardedHypervisor::kill_domain(const std::string& name) {
  guard_.before("kill domain " + name, name);
  host_.hypervisor().kill_domain(name);
}

void GuardedHypervisor::undefine_domain(const std::string& name) {
  guard_.before("undefine domain " + name, name);
  host_.hypervisor().undefine_domain(name);
}

void GuardedHypervisor::set_autostart(const std::string& domain, bool on) {
  guard_.before("set autostart of domain " + domain, domain);
  host_.hypervisor().set_autostart(domain, on);
}

void GuardedHypervisor::define_network(const std::string& xml) {
  const std::string name = name_in(xml);
  guard_.before("define network " + name, name);
  host_.hypervisor().define_network(xml);
}

void GuardedHypervisor::start_network(const std::string& name) {
  guard_.before("start network " + name, name);
  host_.hypervisor().start_network(name);
}

void GuardedHypervisor::remove_network(const std::string& name) {
  guard_.before("remove network " + name, name);
  host_.hypervisor().remove_network(name);
}

void GuardedHypervisor::define_pool(const std::string& name, const std::string& directory) {
  guard_.before("define storage pool " + name, name);
  host_.hypervisor().define_pool(name, directory);
}

void GuardedHypervisor::remove_pool(const std::string& name) {
  guard_.before("remove storage pool " + name, name);
  host_.hypervisor().remove_pool(name);
}

void GuardedHypervisor::create_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes,
                                      const std::string& backing_path) {
  guard_.before("create volume " + pool + "/" + name, name);
  host_.hypervisor().create_volume(pool, name, capacity_bytes, backing_path);
}

void GuardedHypervisor::upload_volume(const std::string& pool, const std::string& name, const std::string& content) {
  guard_.before("upload volume " + pool + "/" + name, name);
  host_.hypervisor().upload_volume(pool, name, content);
}

void GuardedHypervisor::fetch_image(const std::string& pool, const std::string& name, const ImageSource& source) {
  guard_.before("fetch the image " + name, name, source.limit);
  host_.hypervisor().fetch_image(pool, name, source);
}

void GuardedHypervisor::delete_kept_downloads() {
  guard_.before("delete the kept downloads", "downloads");
  host_.hypervisor().delete_kept_downloads();
}

void GuardedHypervisor::grow_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes) {
  guard_.before("grow volume " + pool + "/" + name, name);
  host_.hypervisor().grow_volume(pool, name, capacity_bytes);
}

void GuardedHypervisor::delete_volume(const std::string& pool, const std::string& name) {
  guard_.before("delete volume " + pool + "/" + name, name);
  host_.hypervisor().delete_volume(pool, name);
}

}  // namespace gpuplan
