#include "host/sim/host_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "host/sim/driver_core.h"

namespace gpuplan::sim {
namespace {

// Which package brings a program; an empty one: always there.
const std::map<std::string, std::string>& programs() {
  static const std::map<std::string, std::string> table = {
      {"systemctl", ""},          {"modprobe", ""},       {"uname", ""},
      {"which", ""},              {"dpkg-query", ""},     {"lsmod", ""},
      {"modinfo", ""},            {"true", ""},           {"stat", ""},            {"df", ""},
      {"ssh-keyscan", ""},
      {"update-grub", "grub2-common"},
      {"nvidia-smi", "nvidia-utils"},
      {"fmpm", "nvidia-fabricmanager"},                   {"driverctl", "driverctl"},
      {"qemu-system-x86_64", "qemu-system-x86"},          {"qemu-img", "qemu-utils"},
      {"virsh", "libvirt-clients"}};
  return table;
}

bool program_present(const Model& model, const std::string& name) {
  const auto found = programs().find(name);
  return found != programs().end() && (found->second.empty() || package_installed(model, found->second));
}

CommandResult run_uname(const Model& model, const std::vector<std::string>& argv) {
  const std::string option = argv.size() > 1 ? argv[1] : "-s";
  if (option == "-r") return {0, model.os.kernel + "\n", ""};
  if (option == "-m") return {0, "x86_64\n", ""};
  if (option == "-s") return {0, "Linux\n", ""};
  return {1, "", fmt::format("uname: the simulated host does not know the option {}\n", option)};
}

CommandResult run_which(const Model& model, const std::vector<std::string>& argv) {
  CommandResult result;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    if (program_present(model, argv[i])) result.output += "/usr/bin/" + argv[i] + "\n";
    else result.exit_status = 1;
  }
  return result;
}

// ssh-keyscan [FLAG VALUE]… ADDRESS: silent about what does not answer.
CommandResult run_ssh_keyscan(const Model& model, const std::vector<std::string>& argv) {
  CommandResult result;
  for (const Machine& machine : model.machines) {
    if (machine.address == argv.back() && machine.answers) result.output += machine.address + " " + machine.host_key + "\n";
  }
  return result;
}

// dpkg-query -W [-f FORMAT] PACKAGE…, with the fields Package and db:Status-Status or Status.
CommandResult run_dpkg_query(const Model& model, const std::vector<std::string>& argv) {
  CommandResult result;
  std::string format = "${Package}\t\n";
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string& word = argv[i];
    if (word == "-W" || word == "--show") continue;
    if (word == "-f" && i + 1 < argv.size()) format = argv[++i];
    else if (word.rfind("-f=", 0) == 0) format = word.substr(3);
    else if (word.rfind("--showformat=", 0) == 0) format = word.substr(13);
    else if (std::find(model.packages.begin(), model.packages.end(), word) == model.packages.end()) {
      result.errors += fmt::format("dpkg-query: no packages found matching {}\n", word);
      result.exit_status = 1;
    } else {
      std::string line = format;
      for (const auto& [field, value] : std::map<std::string, std::string>{{"${Package}", word},
                                                                           {"${db:Status-Status}", "installed"},
                                                                           {"${Status}", "install ok installed"},
                                                                           {"\\n", "\n"}}) {
        for (std::size_t at = line.find(field); at != std::string::npos; at = line.find(field, at + value.size())) {
          line.replace(at, field.size(), value);
        }
      }
      result.output += line;
    }
  }
  return result;
}

CommandResult run_lsmod(const Model& model) {
  CommandResult result{0, "Module                  Size  Used by\n", ""};
  for (const std::string& name : model.modules_loaded) result.output += fmt::format("{:<19}  65536  0\n", name);
  return result;
}

CommandResult run_modinfo(const Model& model, const std::vector<std::string>& argv) {
  std::string name = argv.empty() ? "" : argv.back();
  std::replace(name.begin(), name.end(), '-', '_');
  const auto& available = model.modules_available;
  const bool known = module_loaded(model, name) || std::find(available.begin(), available.end(), name) != available.end();
  if (!known) return {1, "", fmt::format("modinfo: ERROR: Module {} not found.\n", argv.back())};
  return {0, fmt::format("filename:       /lib/modules/{}/kernel/{}.ko\nname:           {}\n", model.os.kernel, name, name), ""};
}

// stat -L -c "%a %U %G" FILE, of device files: as udev makes /dev/kvm, the others as root's own.
// Free bytes where a storage pool lies or would lie.
CommandResult run_df(const Model& model, const std::vector<std::string>& argv) {
  if (argv.size() != 4 || argv[1] != "--output=avail" || argv[2] != "-B1")
    return {1, "", "df: the simulated host does not know these arguments\n"};
  return {0, fmt::format("       Avail\n{}\n", model.storage_free_gib << 30), {}};
}

CommandResult run_stat(const Model& model, const std::vector<std::string>& argv) {
  const std::string& path = argv.back();
  if (argv.size() != 5 || argv[1] != "-L" || argv[2] != "-c" || argv[3] != "%a %U %G") {
    return {1, "", "stat: the simulated host does not know these arguments\n"};
  }
  if (!device_file_exists(model, path)) {
    return {1, "", fmt::format("stat: cannot statx '{}': No such file or directory\n", path)};
  }
  return {0, path == "/dev/kvm" ? "660 root kvm\n" : "600 root root\n", ""};
}

// What grub-mkconfig makes of the drop-in files below /etc/default/grub.d. Of the shell's language only the line that
// adds to GRUB_CMDLINE_LINUX is known.
CommandResult run_update_grub(Model& model) {
  const std::string directory = "/etc/default/grub.d/";
  const std::string head = "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX ";
  std::string added;
  for (auto file = model.files.lower_bound(directory); file != model.files.end() && file->first.rfind(directory, 0) == 0;
       ++file) {
    std::istringstream lines(file->second.content);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line[0] == '#') continue;
      if (line.rfind(head, 0) != 0 || line.back() != '"') {
        return {1, "", fmt::format("{}: the simulated host does not know this line: {}\n", file->first, line)};
      }
      added.append(1, ' ').append(line, head.size(), line.size() - head.size() - 1);
    }
  }
  model.files["/boot/grub/grub.cfg"].content =
      fmt::format("\tlinux\t/boot/vmlinuz-{} ro quiet{}\n", model.os.kernel, added);
  return {0, "", "Generating grub configuration file ...\ndone\n"};
}

CommandResult run_version(const std::string& name) {
  if (name == "qemu-system-x86_64") return {0, "QEMU emulator version 8.2.2\n", ""};
  if (name == "virsh") return {0, "10.0.0\n", ""};
  if (name == "qemu-img") return {0, "qemu-img version 8.2.2\n", ""};
  return {0, "", ""};
}

}  // namespace

CommandResult run_host_command(Model& model, const Command& command, bool read_only, bool& hangs) {
  hangs = false;
  const std::string words = join_argv(command.argv);
  if (command.argv.empty()) throw HostError(HostError::Kind::not_found, "", "cannot run an empty command");
  const std::string name = command.argv[0].substr(command.argv[0].rfind('/') + 1);
  if (!program_present(model, name)) {
    throw HostError(HostError::Kind::not_found, words, fmt::format("cannot run {}: no such file or directory", command.argv[0]));
  }
  const MayChange change = [&] {
    if (!read_only) return;
    throw HostError(HostError::Kind::refused, words, fmt::format("`{}` changes the host; it may not run as a query", words));
  };
  if (name == "systemctl") return run_systemctl(model, command.argv, change);
  if (name == "modprobe") return run_modprobe(model, command.argv, change, hangs);
  if (name == "nvidia-smi") return run_nvidia_smi(model, command.argv, change);
  if (name == "fmpm") return run_fmpm(model, command.argv, change);
  if (name == "update-grub") {
    change();
    return run_update_grub(model);
  }
  if (name == "uname") return run_uname(model, command.argv);
  if (name == "which") return run_which(model, command.argv);
  if (name == "dpkg-query") return run_dpkg_query(model, command.argv);
  if (name == "lsmod") return run_lsmod(model);
  if (name == "modinfo") return run_modinfo(model, command.argv);
  if (name == "df") return run_df(model, command.argv);
  if (name == "stat") return run_stat(model, command.argv);
  if (name == "ssh-keyscan") return run_ssh_keyscan(model, command.argv);
  if (command.argv.size() == 2 && command.argv[1] == "--version") return run_version(name);
  if (name == "true") return {};
  return {1, "", fmt::format("{}: the simulated host does not know these arguments\n", name)};
}

}  // namespace gpuplan::sim
