#include "host/libvirt/libvirt_hypervisor.h"

#include "host/libvirt/libvirt_domains.h"
#include "host/libvirt/libvirt_storage.h"

namespace gpuplan {
namespace {

// The port, put together from its three parts.
class LibvirtHypervisor : public Hypervisor {
 public:
  LibvirtHypervisor(const std::string& uri, const std::string& download_directory)
      : connection_(uri), domains_(connection_), networks_(connection_), storage_(connection_, download_directory) {}

  std::vector<DomainState> domains() override { return domains_.all(); }
  std::optional<DomainState> domain(const std::string& name) override { return domains_.find(name); }
  std::vector<NetworkState> networks() override { return networks_.all(); }
  std::optional<NetworkState> network(const std::string& name) override { return networks_.find(name); }
  std::optional<PoolState> pool(const std::string& name) override { return storage_.pool(name); }
  std::vector<VolumeState> volumes(const std::string& pool) override { return storage_.volumes(pool); }
  std::optional<VolumeState> volume(const std::string& pool, const std::string& name) override {
    return storage_.volume(pool, name);
  }
  std::string console_tail(const std::string& domain, std::size_t lines) override {
    return domains_.console_tail(domain, lines);
  }
  std::optional<std::vector<std::string>> console(const std::string& domain) override {
    return std::vector<std::string>{"virsh", "--connect", connection_.uri(), "console", "--domain", domain};
  }

  void define_domain(const std::string& xml) override { domains_.define(xml); }
  void start_domain(const std::string& name) override { domains_.start(name); }
  void shut_down_domain(const std::string& name) override { domains_.shut_down(name); }
  void kill_domain(const std::string& name) override { domains_.kill(name); }
  void undefine_domain(const std::string& name) override { domains_.undefine(name); }
  void set_autostart(const std::string& domain, bool on) override { domains_.set_autostart(domain, on); }

  void define_network(const std::string& xml) override { networks_.define(xml); }
  void start_network(const std::string& name) override { networks_.start(name); }
  void remove_network(const std::string& name) override { networks_.remove(name); }

  void define_pool(const std::string& name, const std::string& directory) override {
    storage_.define_pool(name, directory);
  }
  void remove_pool(const std::string& name) override { storage_.remove_pool(name); }

  void create_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes,
                     const std::string& backing_path) override {
    storage_.create(pool, name, capacity_bytes, backing_path);
  }
  void upload_volume(const std::string& pool, const std::string& name, const std::string& content) override {
    storage_.upload(pool, name, content);
  }
  void fetch_image(const std::string& pool, const std::string& name, const ImageSource& source) override {
    storage_.fetch(pool, name, source);
  }
  void delete_kept_downloads() override { storage_.delete_kept_downloads(); }
  void grow_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes) override {
    storage_.grow(pool, name, capacity_bytes);
  }
  void delete_volume(const std::string& pool, const std::string& name) override { storage_.remove(pool, name); }

 private:
  LibvirtConnection connection_;
  LibvirtDomains domains_;
  LibvirtNetworks networks_;
  LibvirtStorage storage_;
};

}  // namespace

std::unique_ptr<Hypervisor> make_libvirt_hypervisor(const std::string& uri, const std::string& download_directory) {
  return std::make_unique<LibvirtHypervisor>(uri, download_directory);
}

}  // namespace gpuplan
