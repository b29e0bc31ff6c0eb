// gpuplan show vm NAME, gpuplan show kubeadm: what a step hands on to libvirt or kubeadm.
#pragma once

#include <string>

#include "command/session.h"

namespace gpuplan::command {

// True for the first argument of `show` if it names a document and not a run.
bool is_document(const std::string& argument);

// Prints the document. Throws Failure, naming the resources that there are, if it is not of the spec.
int show_document(Session& session);

}  // namespace gpuplan::command
