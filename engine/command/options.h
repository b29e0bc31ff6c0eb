// The command line and the environment, read into one value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/guard/guarded_host.h"
#include "plan/plan.h"
#include "report/log.h"
#include "report/shell.h"

namespace gpuplan::command {

// Where root keeps state unless told otherwise.
inline constexpr const char* root_state_dir = "/var/lib/gpuplan";

enum class ColorMode { automatic, always, never };

struct Options {
  std::string verb;                    // empty: none was given
  std::vector<std::string> arguments;  // what follows the verb: SPEC or RUN
  bool help = false;
  bool version = false;

  std::string host = "local";
  std::string state_dir;               // absolute
  bool root = false;                   // the effective user is root
  bool users_own_state = false;        // it is where it is because neither root nor a flag said otherwise
  std::string download_directory;      // of images from the web, absolute; empty: there is no place for them
  std::string cluster;                 // empty: not given
  std::vector<std::string> plugin_paths;
  std::size_t parallelism = 10;
  LogLevel log_level = LogLevel::warning;
  ColorMode color = ColorMode::automatic;
  bool json = false;

  bool yes = false;
  bool detailed_exitcode = false;
  bool explain = false;
  std::vector<Fault> faults;
  std::optional<std::int64_t> run;
  std::string format = "dot";
  bool purge = false;                  // destroy: also the kept images
  bool destroy = false;                // plan: what destroy would do
  bool tree = false;                   // discover: as a tree
  bool all = false;                    // discover: also what has nothing to do with GPUs
  std::optional<std::size_t> workers;  // init: how many
  std::string pci_ids;                 // a pci.ids file in place of the usual one; empty: that one
  std::string out;                     // plan: the file to save it to; empty: not saved
  bool merge = false;                  // kubeconfig: into the user's own file
  bool use_context = false;            // kubeconfig --merge: also as the current context
  std::string kubeconfig;              // the user's own file, absolute; empty: there is no place for one
  Selection selection;

  std::vector<std::string> guest_command;  // ssh: what stands behind --
  bool log = false;                    // console: what it has said so far

  std::string command_line;            // as typed, for the journal and the lock
  std::string repeated_flags;          // flags that a suggested command must repeat, each with a blank in front
};

// What of the environment decides something.
struct Environment {
  std::string state_dir;       // GPUPLAN_STATE_DIR
  std::string xdg_state_home;  // XDG_STATE_HOME
  std::string xdg_cache_home;  // XDG_CACHE_HOME
  std::string home;            // HOME
  std::string pci_ids;         // GPUPLAN_PCI_IDS
  std::string kubeconfig;      // KUBECONFIG
  bool no_color = false;       // NO_COLOR is set and not empty
  bool root = false;           // the effective user is root
};
Environment read_environment();

// Reads the words after the program's name. Flags may stand before or after the verb. Throws Failure
// with exit code 64 for anything that is not understood; says what was meant where it can.
Options parse_options(const std::vector<std::string>& words, const Environment& environment);

}  // namespace gpuplan::command
