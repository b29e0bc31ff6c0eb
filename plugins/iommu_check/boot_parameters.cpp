#include "boot_parameters.h"

#include "host/pci/pci.h"

namespace gpuplan::iommu_check {
namespace {

constexpr const char* drop_in_directory = "/etc/default/grub.d";
constexpr unsigned readable = 0644;

// iommu=pt: the host's own devices do not pay for the translation that guests need.
constexpr const char* drop_in_text =
    "# Made by gpuplan (host.configure_boot). `gpuplan destroy` removes it.\n"
    "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX intel_iommu=on iommu=pt\"\n";

void update_grub(Host& host) {
  const Command command{{"update-grub"}, {}, std::chrono::seconds(300)};
  require_success(command, host.run(command));
}

}  // namespace

bool has_update_grub(HostReader& host) {
  try {
    return host.query({{"which", "update-grub"}, {}}).ok();
  } catch (const HostError& error) {
    if (error.kind() == HostError::Kind::not_found) return false;
    throw;
  }
}

bool is_iommu_set_for_boot(FileReader& files) {
  return read_trimmed(files, grub_menu).value_or("").find(iommu_parameter) != std::string::npos;
}

Json capture_boot(FileReader& files) {
  const bool has_file = files.kind(grub_drop_in) != FileKind::none;
  return {{"drop_in", has_file ? Json(files.read(grub_drop_in)) : Json()},
          {"had_directory", files.kind(drop_in_directory) != FileKind::none}};
}

void set_iommu_for_boot(Host& host) {
  host.files().make_directory(drop_in_directory, 0755);
  host.files().put_file(grub_drop_in, drop_in_text, readable);
  update_grub(host);
}

void unset_iommu_for_boot(Host& host) {
  const bool is_there = host.files().kind(grub_drop_in) != FileKind::none;
  host.files().remove_file(grub_drop_in);
  // Where nothing of ours got into the menu, it may wait for an update that its administrator puts off.
  if (is_there || is_iommu_set_for_boot(host.files())) update_grub(host);
}

void restore_boot(const Json& captured, Host& host) {
  const std::string before = string_at(captured, "/drop_in");
  if (before.empty()) {
    unset_iommu_for_boot(host);
  } else {
    host.files().put_file(grub_drop_in, before, readable);
    update_grub(host);
  }
  if (captured.is_object() && !captured.value("had_directory", true)) host.files().remove_directory(drop_in_directory);
}

}  // namespace gpuplan::iommu_check
