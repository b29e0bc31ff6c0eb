// The StepContext that the engine hands to a running stage.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "apply/node_logs.h"
#include "plugin/step_kind.h"

namespace gpuplan {

// The addresses that a run takes away: remove, and the first half of replace.
using WithdrawnAddresses = std::set<Address>;

class StageContext : public StepContext {
 public:
  // All references must outlive the context.
  StageContext(const Spec& spec, Clock& clock, const WithdrawnAddresses& withdrawn,
               NodeLogs& node_logs, std::function<void(const std::string&)> progress)
      : spec_(spec), clock_(clock), withdrawn_(withdrawn), node_logs_(node_logs), progress_(std::move(progress)) {}

  const Spec& spec() const override { return spec_; }
  void progress(const std::string& text) override;
  void log(const std::string& text) override;
  void keep_output(const std::string& node, const std::string& title, const std::string& text) override;
  std::string output_of(const std::string& node) const override { return node_logs_.path(node); }
  void wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                  const std::function<bool()>& ready) override;
  bool is_withdrawn(const Address& address) const override { return withdrawn_.count(address) > 0; }

 private:
  const Spec& spec_;
  Clock& clock_;
  const WithdrawnAddresses& withdrawn_;
  NodeLogs& node_logs_;
  std::function<void(const std::string&)> progress_;
};

// "90s", "15m", "2h": the shortest exact form.
std::string duration_text(std::chrono::seconds duration);

}  // namespace gpuplan
