// Which of scripts/guest a node needs, and which of them find nothing missing on it.
#pragma once

#include "cluster_common/provision.h"

namespace gpuplan::node_prepare {

// Declares "prepared": a text per script that the node needs, in the order in which they have to run, with those of its
// options that the spec decides: "kubernetes --version 1.34". Mirrors are an attribute of their own, see mirrors.h.
// `is_machine`: the node is one that existed before. `has_gpus`: that Kubernetes is to have.
void declare_prepared(Attributes& declared, const Spec& spec, bool is_machine, bool has_gpus);

// Adds "prepared" as far as each script's --check finds nothing missing; one whose check fails by itself is taken to be as
// declared, which `observed` then says. Throws HostError.
void observe_prepared(Observation& observed, const Attributes& declared, cluster::GuestView& guest);

// Adds a note of what the scripts found missing, where that is what `change` updates.
void note_what_is_missing(Change& change);

// The scripts for what a node's resource declares, mirrors first: everything after them may fetch something.
std::vector<cluster::GuestScript> node_scripts(const Spec& spec, const Attributes& declared, const GuestTarget& node);
// Makes the version of Kubernetes that is to be installed the exact one of `version` ("v1.34.2"), where the spec leaves the
// patch open: a node that joins later gets what the control plane has, and not what was published since.
void pin_kubernetes(std::vector<cluster::GuestScript>& scripts, const std::string& version);

}  // namespace gpuplan::node_prepare
