// What of a simulated server a rollback or a destroy must restore.
#pragma once

#include <string>

#include "host/sim/model.h"

// The model in a file, as text: all but its clock, since when VMs run, the order of libvirt's objects, the vfio
// modules, which stay loaded, and the note of where the model came from. Throws like model_in.
std::string model_essence(const std::string& path);

// The model in a file. Throws std::runtime_error if it cannot be read.
gpuplan::sim::Model model_in(const std::string& path);

// The first line in which two texts differ: "line 3: this | that"; empty if they do not.
std::string first_difference(const std::string& before, const std::string& now);
