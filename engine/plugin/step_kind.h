// The interface that every step kind implements.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/interrupt.h"
#include "host/ports.h"
#include "plugin/resource.h"
#include "spec/spec.h"

namespace gpuplan {

// ------------------------------------------------------------------------------------- checks

enum class CheckStatus { pass, warn, fail };

// One named check of a declaration against the host.
struct CheckResult {
  std::string name;      // "iommu-groups"
  Address address;       // the resource it belongs to
  CheckStatus status = CheckStatus::pass;
  std::string found;     // the value read, in words: "GPU 0000:0a:00.0 is held by python3 (pid 4242)"
  std::string read_from; // "/proc/4242/fd"; may be empty
  std::string remedy;    // what to do; empty if it passed
  bool needs_reboot = false;  // nothing but a reboot of the host helps
  std::optional<SourceLocation> where;
};

// ------------------------------------------------------------------------------------- context

// What a running stage may ask of the engine. Lives only as long as the call. Thread-safe.
class StepContext {
 public:
  virtual ~StepContext() = default;
  virtual const Spec& spec() const = 0;
  // What is going on right now, for the user: "waiting for ssh on 192.168.130.10".
  virtual void progress(const std::string& text) = 0;
  virtual void log(const std::string& text) = 0;  // for --log-level debug
  // Keeps what a program on a node printed in the node's log, for `gpuplan logs NODE`, under a line with `title`.
  // Never a secret.
  virtual void keep_output(const std::string& node, const std::string& title, const std::string& text) = 0;
  // The path of that log; empty if there is none.
  virtual std::string output_of(const std::string& node) const = 0;
  // Calls `ready` every `poll` on the host's clock until it returns true. After `limit` throws
  // HostError::timed_out: "`what` did not happen within 15m". Throws Interrupted.
  virtual void wait_until(const std::string& what, std::chrono::seconds limit, std::chrono::milliseconds poll,
                          const std::function<bool()>& ready) = 0;
  // True if this run takes the resource away (remove, or replace's first half).
  virtual bool is_withdrawn(const Address& address) const = 0;
};

// What a plan says about other resources, for plan_removal.
class RemovalScope {
 public:
  virtual ~RemovalScope() = default;
  virtual bool is_withdrawn(const Address& address) const = 0;
};

// What is known of one resource from before: for checks and observations.
struct Prior {
  bool owned = false;      // gpuplan made it, or began to
  Attributes declared;     // as last declared; empty if never, or if what it lived in was made anew since
  // A run that did not end well began to take it away, or to halt it for a change, and nothing has completed it since: what
  // that asked for, such as a shutdown, may still come to pass after it is observed.
  bool withdrawal_begun = false;
  // Such a run began to apply it, and did not come to its commit: what that was to delete may still be there.
  bool commit_due = false;
  // The last change of it came to its end, and what it lives in is still the same: what cannot be looked at now can be
  // taken to be as declared.
  bool complete = false;
  // A run that did not end well began to make it, and nothing has completed it since: what that started, such as a guest,
  // may not have been waited for.
  bool making_begun = false;
};

// ----------------------------------------------------------------------------------- step kind

// One kind of step. Objects are made once per process, hold no state about a run, and are called
// from several threads at once. Every function may throw HostError; any other exception is a defect
// of the plugin and reported as such.
class StepKind {
 public:
  virtual ~StepKind() = default;

  virtual std::string_view kind() const = 0;   // "vfio-bind": the first part of its addresses
  virtual const Schema& schema() const = 0;

  // The resources that the spec asks for. Pure.
  virtual std::vector<Resource> expand(const Spec& spec) const = 0;

  // Everything that stands against this declaration on this host, at once. Read-only. Called for
  // every declared resource before anything is planned. Results with status fail stop the plan.
  virtual std::vector<CheckResult> check(const Resource& resource, const Spec& spec, const Prior& prior,
                                         HostReader& host) const = 0;

  // What the host has now. Read-only. `resource` is as declared, or as last declared for one that
  // is to be removed. Attributes whose value cannot be read are left out and named in unreadable.
  virtual Observation observe(const Resource& resource, const Prior& prior, HostReader& host) const = 0;

  // Action, attribute changes, reasons, notes and stages that lead from `observed` to `resource`.
  // The default compares attribute by attribute as the schema says; overrides start from it and may
  // add notes, has_withdraw, has_commit and irreversible.
  virtual Change compare(const Resource& resource, const Observation& observed, const Prior& prior) const;

  // Completes a Change with action remove or replace: which of its stages exist and what cannot be
  // undone. The default: one reversible withdraw.
  virtual void plan_removal(Change& change, const RemovalScope& scope) const;

  // What the step hands on to others for this resource (a libvirt domain document, a kubeadm configuration), as it
  // would be on the host as it is now, without secrets. Read-only. The default: nothing.
  virtual std::optional<std::string> document(const Resource& resource, const Spec& spec, HostReader& host) const;

  // What undo will need. Runs before the first stage; on disk before that stage starts: in the journal or, if the
  // schema has sensitive attributes, in a file of mode 0600 that the journal names. Read-only.
  virtual Json capture(const Change& change, HostReader& host) const = 0;

  // The stages. Idempotent: each may find any part of its work done by a run that was killed.
  // `origin` is what capture() returned when gpuplan made the resource: removing goes back to it.
  // Its value is null if gpuplan did not make it.
  virtual void withdraw(const Change& change, const Json& captured, const Json& origin, Host& host,
                        StepContext& context) const;
  virtual void apply(const Change& change, const Json& captured, Host& host, StepContext& context) const = 0;
  virtual void commit(const Change& change, const Json& captured, const Json& origin, Host& host,
                      StepContext& context) const;

  // Takes one stage back, from what capture() saved. Idempotent; the stage may have been done wholly,
  // partly or not at all. Stages are undone in the reverse of the order they were done in; commit is
  // never undone.
  virtual void undo(Stage stage, const Change& change, const Json& captured, Host& host,
                    StepContext& context) const = 0;
};

// The names of the sensitive attributes of `schema`, for Change::sensitive.
std::vector<std::string> sensitive_attributes(const Schema& schema);

// compare() of the interface: exists or not, then attribute by attribute as `schema` says.
Change compare_by_schema(const Schema& schema, const Resource& resource, const Observation& observed);

}  // namespace gpuplan
