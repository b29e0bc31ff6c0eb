// What of a simulated server a rollback or a destroy must restore.
#pragma once

#include <string>

// The model in a file, as text: all but its clock, the vfio modules, which stay loaded, and the note of
// where the model came from. Says what is wrong if it cannot be read.
std::string model_essence(const std::string& path);

// The first line in which two texts differ: "line 3: this | that"; empty if they do not.
std::string first_difference(const std::string& before, const std::string& now);
