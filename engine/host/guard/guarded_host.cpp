#include "host/guard/guarded_host.h"

#include <fmt/format.h>

#include <csignal>

#include "host/guard/guarded_view.h"
#include "host/interrupt.h"

namespace gpuplan {

GuardedHost::GuardedHost(Host& host, std::vector<Fault> faults)
    : host_(host), faults_(std::move(faults)), struck_(std::make_unique<std::atomic<bool>[]>(faults_.size())) {}

GuardedHost::~GuardedHost() = default;

std::unique_ptr<Host> GuardedHost::for_resource(const std::string& address) {
  return std::make_unique<GuardedView>(host_, CallGuard(*this, address));
}

void GuardedHost::stage_ends(const std::string& address) {
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    if (faults_[i].address == address && claim(i)) {
      strike(faults_[i].effect, {"finish " + address, address, default_call_limit, false});
    }
  }
}

void GuardedHost::plugin_call_ends(std::string_view entry_point, const std::string& address) {
  const std::int64_t number = ++plugin_calls_;
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    if (faults_[i].plugin_call == number && claim(i)) {
      strike(faults_[i].effect, {fmt::format("return from {}() of {}", entry_point, address), address, default_call_limit, false});
    }
  }
}

void GuardedHost::before_journal_write(std::int64_t number) {
  ++journal_writes_;
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    if (faults_[i].journal_write == number && claim(i)) {
      strike(faults_[i].effect, {fmt::format("make journal write {}", number), "journal", default_call_limit, true});
    }
  }
}

void GuardedHost::before_call(const std::string& address, const Call& call) {
  if (Interrupt::requested() && !ignore_interrupts_) throw Interrupted();
  if (listener_) listener_(call.limit);
  const std::int64_t number = ++calls_;
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    const Fault& fault = faults_[i];
    const bool here = fault.call == number || (!fault.address.empty() && fault.address == address);
    if (here && claim(i)) strike(fault.effect, call);
  }
}

std::vector<std::string> GuardedHost::unstruck_faults() const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < faults_.size(); ++i) {
    const Fault& fault = faults_[i];
    if (struck_[i] || fault.disk_write > 0) continue;  // DiskFaults knows of those
    if (fault.call > 0) out.push_back(fmt::format("call:{}", fault.call));
    else if (fault.journal_write > 0) out.push_back(fmt::format("journal:{}", fault.journal_write));
    else if (fault.plugin_call > 0) out.push_back(fmt::format("plugin:{}", fault.plugin_call));
    else out.push_back(fault.address);
  }
  return out;
}

bool GuardedHost::claim(std::size_t fault) { return !struck_[fault].exchange(true); }

void GuardedHost::strike(FaultEffect effect, const Call& call) {
  if (effect == FaultEffect::kill || effect == FaultEffect::power_cut) std::raise(SIGKILL);
  if (effect == FaultEffect::hang) {
    host_.clock().sleep_for(call.limit);
    // The journal is not a stage that can be interrupted: what it cannot write has failed.
    if (!call.of_journal && Interrupt::requested() && !ignore_interrupts_) throw Interrupted();
    throw HostError(HostError::Kind::timed_out, call.subject,
                    fmt::format("cannot {}: it did not end within {} s", call.what, call.limit.count()));
  }
  throw HostError(HostError::Kind::failed, call.subject, fmt::format("injected fault: cannot {}", call.what));
}

}  // namespace gpuplan
