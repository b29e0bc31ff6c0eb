// Where a node fetches from instead of the internet, and whom it trusts there: Spec::mirrors and ca_certificates, as far as
// they are set up on the nodes themselves (scripts/guest/mirrors.sh).
#pragma once

#include "cluster_common/provision.h"

namespace gpuplan::cluster {

// Declares "mirrors" and "ca_certificates" where the spec has them: texts such as "registries.docker.io=https://…" and
// "lan=sha256:…", sorted. NVIDIA's packages are for workers only.
void declare_mirrors(Attributes& declared, const Spec& spec, bool is_worker);
// What the spec does not mention any more is declared to be gone.
void expect_no_forgotten_mirrors(Attributes& declared, const Prior& prior);
// Adds both attributes where `declared` or `prior` has them. Throws HostError.
void observe_mirrors(Observation& observed, const Attributes& declared, const Prior& prior, GuestView& guest);
// The script for what `declared` has of them, with what `spec` has of their files; nothing if it has neither attribute.
std::optional<GuestScript> mirrors_script(const Attributes& declared, const Spec& spec);

// The undo record: what a guest has now; null if the change is about neither attribute or the guest does not answer.
Json capture_mirrors(const Change& change, GuestView& guest);
// Brings about what was captured. Throws HostError.
void restore_mirrors(Guest& guest, const Json& captured, StepContext& context);
// Takes all of them away. Throws HostError.
void remove_mirrors(Guest& guest, const Attributes& declared, StepContext& context);

}  // namespace gpuplan::cluster
