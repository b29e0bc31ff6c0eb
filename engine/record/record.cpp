#include "record/record.h"

#include <fmt/format.h>

#include <memory>

#include "digest/digest.h"
#include "host/sim/model_yaml.h"
#include "record/record_parts.h"
#include "report/diagnostic.h"
#include "version.h"
#include "yaml/parse.h"

namespace gpuplan {
namespace {

std::string heading(const Inventory& inventory) {
  std::string text = "# A model of a GPU server, recorded by gpuplan " GPUPLAN_VERSION
                     ". Plan on it with --host sim:FILE.\n"
                     "# Left out: machine-id, name, serial numbers, UUIDs, MAC and public IP addresses, and what processes\n"
                     "# do. Disks have no content. Read it before you give it away.\n";
  for (const std::string& sentence : inventory.unread) text += "# Not read: " + printable(sentence) + '\n';
  return text;
}

// What cannot be read back is a defect of the recording: it must not be found out on the laptop.
void require_valid(const std::string& text, const std::string& host) {
  Diagnostics diagnostics;
  const YamlNode document = parse_yaml(std::make_shared<SourceFile>(SourceFile{"recorded model", text}), diagnostics);
  if (!diagnostics.has_errors()) sim::decode_model(document, diagnostics);
  if (!diagnostics.has_errors()) return;
  const Diagnostic& first = diagnostics.items().front();
  throw HostError(HostError::Kind::unsupported, host,
                  fmt::format("cannot record {}: this host does not fit into a model: {}; please report this", host,
                              first.summary));
}

}  // namespace

std::string record_host(HostReader& host, const Inventory& inventory) {
  sim::Model model;
  record_libvirt(host, inventory, model);
  record_machine(host, inventory, model);
  record_devices(host, inventory, model);
  record_programs(host, inventory, model);
  record_boot(host, inventory, model);
  record_network_and_mounts(host, inventory, model);
  // The same server gives the same twin; nothing leads back to it.
  model.machine_id = "recorded";
  model.machine_id = sha256_hex(sim::encode_model(model)).substr(0, 32);
  const std::string text = heading(inventory) + sim::encode_model(model);
  require_valid(text, inventory.description);
  return text;
}

}  // namespace gpuplan
