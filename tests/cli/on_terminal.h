// The program on a terminal of its own.
#pragma once

#include <string>
#include <vector>

#include "program.h"

namespace cli {

struct TerminalSession {
  int exit_code = 0;
  std::string screen;
};

// Runs the program on a terminal of its own; types `typed` once `wait_for` has appeared.
TerminalSession on_terminal(const Place& place, std::vector<std::string> words, const std::string& wait_for,
                            const std::string& typed);
// The same, but then the terminal closes under the program, as when its window does, or the sshd behind it ends.
TerminalSession on_closing_terminal(const Place& place, std::vector<std::string> words, const std::string& wait_for);

}  // namespace cli
