// Where a node fetches from instead of the internet, and whom it trusts there: Spec::mirrors and ca_certificates, as far as
// they are set up on the nodes themselves (scripts/guest/mirrors.sh).
#pragma once

#include "cluster_common/provision.h"

namespace gpuplan::node_prepare {

// Declares "mirrors" and "ca_certificates" where the spec has them: texts such as "registries.docker.io=https://…" and
// "lan=sha256:…", sorted. NVIDIA's packages are for workers only.
void declare_mirrors(Attributes& declared, const Spec& spec, bool is_worker);
// What the spec does not mention any more is declared to be gone, for the comparison.
void expect_no_forgotten_mirrors(Attributes& declared, const Prior& prior);
// What `change` declares, with both attributes as it leaves them: empty where the spec does not mention them any more.
Attributes declared_by(const Change& change);
// Adds both attributes where `declared` or `prior` has them. Throws HostError.
void observe_mirrors(Observation& observed, const Attributes& declared, const Prior& prior, cluster::GuestView& guest);
// The script for what `declared` has of them, with what `spec` has of their files; nothing if it has neither attribute.
std::optional<cluster::GuestScript> mirrors_script(const Attributes& declared, const Spec& spec);

// Whether either attribute is among them.
bool has_mirrors(const Attributes& attributes);

// The undo record: what a guest has now; null if the change is about neither attribute or the guest does not answer.
Json capture_mirrors(const Change& change, cluster::GuestView& guest);
// Brings about what was captured. Throws HostError.
void restore_mirrors(cluster::Guest& guest, const Json& captured, StepContext& context);
// Takes all of them away. Throws HostError.
void remove_mirrors(cluster::Guest& guest, const Attributes& declared, StepContext& context);

}  // namespace gpuplan::node_prepare
