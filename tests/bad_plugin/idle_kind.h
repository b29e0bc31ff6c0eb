// A step kind that declares nothing and does nothing, for modules that are wrong in other ways.
#pragma once

#include "plugin/plugin.h"

namespace bad_plugin {

class IdleKind : public gpuplan::StepKind {
 public:
  std::string_view kind() const override { return "idle"; }
  const gpuplan::Schema& schema() const override { return schema_; }
  std::vector<gpuplan::Resource> expand(const gpuplan::Spec&) const override { return {}; }
  std::vector<gpuplan::CheckResult> check(const gpuplan::Resource&, const gpuplan::Spec&, const gpuplan::Prior&,
                                          gpuplan::HostReader&) const override {
    return {};
  }
  gpuplan::Observation observe(const gpuplan::Resource&, const gpuplan::Prior&, gpuplan::HostReader&) const override {
    return {};
  }
  gpuplan::Json capture(const gpuplan::Change&, gpuplan::HostReader&) const override { return nullptr; }
  void apply(const gpuplan::Change&, const gpuplan::Json&, gpuplan::Host&, gpuplan::StepContext&) const override {}
  void undo(gpuplan::Stage, const gpuplan::Change&, const gpuplan::Json&, gpuplan::Host&,
            gpuplan::StepContext&) const override {}

 private:
  gpuplan::Schema schema_;
};

}  // namespace bad_plugin

#define BAD_PLUGIN_EXPORT extern "C" __attribute__((visibility("default"))) const GpuplanPlugin
