#include "host/libvirt/libvirt_domains.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "host/xml/domain_xml.h"
#include "report/shell.h"

namespace gpuplan {
namespace {

constexpr std::streamoff longest_tail = 256 << 10;

PowerState power_of(virDomainPtr domain, const std::string& name) {
  int state = VIR_DOMAIN_NOSTATE;
  int reason = 0;
  require(virDomainGetState(domain, &state, &reason, 0), "ask for the state of the domain " + name, name);
  if (state == VIR_DOMAIN_CRASHED) return PowerState::crashed;
  if (state != VIR_DOMAIN_SHUTOFF) return PowerState::running;
  return reason == VIR_DOMAIN_SHUTOFF_CRASHED ? PowerState::crashed : PowerState::off;
}

bool is_active(virDomainPtr domain, const std::string& name) {
  const int active = virDomainIsActive(domain);
  require(active, "ask for the state of the domain " + name, name);
  return active == 1;
}

DomainState state_of(virDomainPtr domain) {
  DomainState state;
  state.name = virDomainGetName(domain);
  state.uuid = uuid_of(domain, virDomainGetUUIDString);
  state.power = power_of(domain, state.name);
  int autostart = 0;
  // A transient domain has none.
  state.autostart = virDomainGetAutostart(domain, &autostart) == 0 && autostart == 1;
  state.xml = take_text(virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE),
                        "read the definition of the domain " + state.name, state.name);
  return state;
}

std::string last_lines(const std::string& text, std::size_t lines) {
  std::size_t begin = text.size();
  // The newline at the very end ends the last line, it does not begin another.
  if (begin > 0 && text[begin - 1] == '\n') --begin;
  for (; begin > 0; --begin) {
    if (text[begin - 1] == '\n' && --lines == 0) break;
  }
  return text.substr(begin);
}

// Of the system's QEMU; that of a session has its log below the user's cache. Source: libvirt's kbase/debuglogs.
std::string where_qemu_logs(const std::string& uri, const std::string& name) {
  if (uri != "qemu:///system") return {};
  return fmt::format("QEMU's own words are in /var/log/libvirt/qemu/{}.log, the kernel's in `dmesg | tail -50`", name);
}

}  // namespace

DomainHandle LibvirtDomains::look_up(const std::string& name) {
  DomainHandle domain(virDomainLookupByName(connection_.get().get(), name.c_str()));
  if (!domain && last_libvirt_error() != VIR_ERR_NO_DOMAIN) throw_libvirt_error("look for the domain " + name, name);
  return domain;
}

DomainHandle LibvirtDomains::require_domain(const std::string& name, const std::string& what) {
  DomainHandle domain = look_up(name);
  if (!domain) throw_libvirt_error(what + " the domain " + name, name);
  return domain;
}

std::vector<DomainState> LibvirtDomains::all() {
  const Connection connection = connection_.get();
  virDomainPtr* objects = nullptr;
  const int count = virConnectListAllDomains(connection.get(), &objects, 0);
  require(count, "list the domains", connection_.uri());
  std::vector<DomainState> states;
  for (const DomainHandle& domain : take_list<DomainHandle>(objects, count)) {
    try {
      states.push_back(state_of(domain.get()));
    } catch (const HostError& error) {
      // Undefined by somebody since the list was made.
      if (error.kind() != HostError::Kind::not_found) throw;
    }
  }
  std::sort(states.begin(), states.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return states;
}

std::optional<DomainState> LibvirtDomains::find(const std::string& name) {
  const DomainHandle domain = look_up(name);
  if (!domain) return std::nullopt;
  return state_of(domain.get());
}

std::string LibvirtDomains::console_tail(const std::string& name, std::size_t lines) {
  const auto state = find(name);
  const auto definition = state ? parse_domain(state->xml) : std::nullopt;
  if (!definition || definition->console_log.empty() || lines == 0) return {};
  std::ifstream log(definition->console_log, std::ios::binary | std::ios::ate);
  if (!log) return {};
  const std::streamoff size = log.tellg();
  const std::streamoff wanted = std::min(size, longest_tail);
  std::string text(static_cast<std::size_t>(wanted), '\0');
  log.seekg(size - wanted);
  log.read(text.data(), wanted);
  text.resize(static_cast<std::size_t>(log.gcount()));
  return last_lines(text, lines);
}

void LibvirtDomains::define(const std::string& xml) {
  const auto definition = parse_domain(xml);
  const std::string name = definition ? definition->name : "";
  const DomainHandle domain(virDomainDefineXMLFlags(connection_.get().get(), xml.c_str(), 0));
  if (!domain) {
    throw_libvirt_error("define the domain " + name, name,
                        fmt::format("`{}` prints the document that was refused",
                                    suggested(fmt::format("show vm {} SPEC", name))));
  }
}

void LibvirtDomains::start(const std::string& name) {
  const DomainHandle domain = require_domain(name, "start");
  if (is_active(domain.get(), name)) return;
  if (virDomainCreate(domain.get()) < 0) {
    throw_libvirt_error("start the domain " + name, name, where_qemu_logs(connection_.uri(), name));
  }
}

void LibvirtDomains::shut_down(const std::string& name) {
  const DomainHandle domain = require_domain(name, "shut down");
  if (!is_active(domain.get(), name)) return;
  require(virDomainShutdown(domain.get()), "shut down the domain " + name, name);
}

void LibvirtDomains::kill(const std::string& name) {
  const DomainHandle domain = require_domain(name, "stop");
  if (!is_active(domain.get(), name)) return;
  require(virDomainDestroy(domain.get()), "stop the domain " + name, name);
}

void LibvirtDomains::undefine(const std::string& name) {
  const DomainHandle domain = look_up(name);
  if (!domain) return;
  constexpr unsigned with_everything = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
                                       VIR_DOMAIN_UNDEFINE_NVRAM;
  if (virDomainUndefineFlags(domain.get(), with_everything) == 0) return;
  // Drivers without NVRAM do not know the flag.
  if (last_call_was_unknown() && virDomainUndefine(domain.get()) == 0) return;
  if (last_libvirt_error() == VIR_ERR_NO_DOMAIN) return;
  throw_libvirt_error("undefine the domain " + name, name);
}

void LibvirtDomains::set_autostart(const std::string& name, bool on) {
  const DomainHandle domain = require_domain(name, "change the autostart of");
  require(virDomainSetAutostart(domain.get(), on ? 1 : 0), "change the autostart of the domain " + name, name);
}

}  // namespace gpuplan
