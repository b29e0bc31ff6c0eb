// The Hypervisor port of a simulated host: libvirt's rules on the model.
#pragma once

#include "host/sim/simulation.h"

namespace gpuplan::sim {

class SimHypervisor : public Hypervisor {
 public:
  explicit SimHypervisor(Simulation& simulation) : simulation_(simulation) {}

  std::vector<DomainState> domains() override;
  std::optional<DomainState> domain(const std::string& name) override;
  std::vector<NetworkState> networks() override;
  std::optional<NetworkState> network(const std::string& name) override;
  std::optional<PoolState> pool(const std::string& name) override;
  std::vector<VolumeState> volumes(const std::string& pool) override;
  std::optional<VolumeState> volume(const std::string& pool, const std::string& name) override;
  std::string console_tail(const std::string& domain, std::size_t lines) override;

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
  void delete_kept_downloads() override {}
  void grow_volume(const std::string& pool, const std::string& name, std::int64_t capacity_bytes) override;
  void delete_volume(const std::string& pool, const std::string& name) override;

 private:
  Simulation& simulation_;
};

// Throws HostError::unreachable unless libvirt answers.
void require_libvirt(const Model& model);
// `xml` with the <uuid> that libvirt chooses, if it has none. `element` is the root's name.
std::string with_uuid(const Model& model, const std::string& xml, const std::string& element, const std::string& name,
                      std::string& uuid);
// Everything that keeps a domain from starting; throws HostError like libvirt and qemu.
void check_start(Model& model, const Domain& domain);
// Running domains that have the file open, as a disk or below one.
std::vector<std::string> domains_reading(Model& model, const std::string& path);

}  // namespace gpuplan::sim
