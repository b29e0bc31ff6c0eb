// How a verb ends early.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "apply/journal.h"
#include "plugin/step_kind.h"
#include "report/diagnostic.h"

namespace gpuplan::command {

// Thrown by a verb that cannot go on: what to tell the user, and the exit code. Caught in run() only.
class Failure : public std::exception {
 public:
  Failure(int exit_code, std::vector<Diagnostic> problems) : exit_code_(exit_code), problems_(std::move(problems)) {}
  Failure(int exit_code, std::string summary, std::string why = {}, std::string remedy = {});

  int exit_code() const { return exit_code_; }
  const std::vector<Diagnostic>& problems() const { return problems_; }
  const char* what() const noexcept override { return "the command failed"; }

 private:
  int exit_code_;
  std::vector<Diagnostic> problems_;
};

// An error of the journal: what stands behind the last "; " of its text is what to do next.
Diagnostic diagnostic_of(const JournalError& error);

// Thrown instead where checks stand against a plan: they are shown as checks, not as errors.
class ChecksFailed : public Failure {
 public:
  ChecksFailed(int exit_code, std::vector<CheckResult> checks, std::vector<Diagnostic> problems)
      : Failure(exit_code, std::move(problems)), checks_(std::move(checks)) {}
  const std::vector<CheckResult>& checks() const { return checks_; }

 private:
  std::vector<CheckResult> checks_;
};

}  // namespace gpuplan::command
