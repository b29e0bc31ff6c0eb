#include <fmt/format.h>

#include <sstream>

#include "host/pci/boot_files.h"
#include "inventory/read_machine.h"
#include "record/record_parts.h"
#include "report/diagnostic.h"

namespace gpuplan {
namespace {

void keep_file(FileReader& files, const std::string& path, sim::Model& model) {
  const auto text = read_trimmed(files, path);
  // What gpuplan writes has no controls: the file is somebody else's.
  if (!text || printable_lines(*text) != *text) return;
  model.files[path].content = *text + "\n";
}

void record_units(HostReader& host, sim::Model& model) {
  for (const std::string& name : list_or_none(host.files(), unit_directory)) {
    if (name.rfind(boot_unit_prefix, 0) != 0 || printable(name) != name) continue;
    keep_file(host.files(), fmt::format("{}/{}", unit_directory, name), model);
    record_service(host, name, model);
  }
}

// Of the menu, which names disks, what decides whether the IOMMU comes on: in the form that a model's update-grub writes.
void record_grub_menu(FileReader& files, sim::Model& model) {
  std::istringstream lines(read_trimmed(files, grub_menu).value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.find(iommu_parameter) == std::string::npos) continue;
    model.files[grub_menu].content =
        fmt::format("\tlinux\t/boot/vmlinuz-{} ro quiet {}\n", model.os.kernel, public_kernel_parameters(line));
    return;
  }
}

}  // namespace

void record_boot(HostReader& host, const Inventory& inventory, sim::Model& model) {
  for (const InventoryFunction& item : inventory.functions) {
    keep_file(host.files(), saved_override(item.function.address), model);
  }
  record_units(host, model);
  keep_file(host.files(), grub_drop_in, model);
  record_grub_menu(host.files(), model);
}

}  // namespace gpuplan
