// The exit codes of the program, as README.md and `gpuplan --help` list them.
#pragma once

namespace gpuplan::command {

inline constexpr int exit_done = 0;                 // done, or nothing to do
inline constexpr int exit_nothing_changed = 1;      // bad input, refusal, failed check
inline constexpr int exit_changes_pending = 2;      // plan --detailed-exitcode only
inline constexpr int exit_step_failed = 3;          // `gpuplan rollback` undoes what is left of the run
inline constexpr int exit_locked = 4;               // another run works on the cluster
inline constexpr int exit_plan_stale = 5;           // a saved plan that host, spec or journal have left behind
inline constexpr int exit_reboot_required = 6;
inline constexpr int exit_differences_left = 7;     // rollback could not restore everything
inline constexpr int exit_bad_flags = 64;
inline constexpr int exit_signal_base = 128;        // plus the signal's number: 129, 130, 141, 143

}  // namespace gpuplan::command
