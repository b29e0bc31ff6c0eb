// One point of the crash matrix: a run with faults, what is left of it, and the recoveries from that.
#pragma once

#include <string>
#include <vector>

#include "scenario.h"

namespace crash_matrix {

enum class Recovery { rollback, apply };

// Where faults strike, as text: "call:17:kill"; in one run "call:17:fail+journal:9:kill"; one more in the recovery
// from it "call:17:kill,rollback@call:3:kill".
struct Point {
  std::vector<std::string> faults;  // of gpuplan's --fault, in the run itself
  Recovery interrupted = Recovery::rollback;  // if the next one is not empty
  std::string recovery_fault;

  std::string text() const;
};

// Throws std::runtime_error for a text that is none.
Point parse_point(const std::string& text);

struct Verdict {
  bool struck = true;  // false: the recovery ended before its fault could strike
  int recoveries = 0;
  std::vector<std::string> failures;  // a few lines each
  std::vector<std::string> commands;  // all that was run, for a shell
};

// Tries one point in the directory `place`, which is emptied before. Thread-safe for different places.
Verdict try_point(const Prepared& prepared, const Point& point, const Workshop& workshop, const std::string& place);

}  // namespace crash_matrix
