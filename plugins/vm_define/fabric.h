// The NVSwitch partition of a VM's GPUs: active exactly while the VM has them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks.h"
#include "declaration.h"
#include "host/pci/nvidia/fabric.h"
#include "plugin/step_kind.h"

namespace gpuplan::vm_define {

// Computed attributes; a host whose Fabric Manager does not share its fabric has neither.
// The partition that is active under the VM: its id, or "inactive". A VM that does not exist has none.
inline constexpr const char* active_partition = "fabric_partition";
// The partition that the declared GPUs form. It does not change while a run changes other VMs.
inline constexpr const char* wanted_partition = "partition_of_gpus";

// Takes what a change says of an attribute out of it: a computed one that is known after all, or does not concern it.
void drop(Change& change, std::string_view attribute);

void observe_partition(const Vm& vm, HostReader& host, Observation& observed);
// Completes a change by what has to happen to the partition.
void plan_partition(Change& change);
// True if the partition that the VM has now is to be given up while the VM stays.
bool leaves_partition(const Change& change);

// Of the partitions that a change is about, those that are active now: ids.
Json capture_partitions(const Change& change, HostReader& host);
// The stages. The VM is off, or not started yet. Idempotent.
void enter_partition(const Change& change, Host& host, StepContext& context);
void leave_partition(const Change& change, const Json& origin, Host& host, StepContext& context);
void undo_enter_partition(const Change& change, const Json& captured, Host& host, StepContext& context);
void undo_leave_partition(const Change& change, const Json& captured, Host& host, StepContext& context);

// Whether the partition can be activated: no other VM's may share GPUs with it.
void check_partition(const Vm& vm, HostReader& host, Findings& findings);

}  // namespace gpuplan::vm_define
