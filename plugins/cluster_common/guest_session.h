// Work inside one guest: asking, running, waiting. Compiled into each step kind that needs it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "plugin/step_kind.h"

namespace gpuplan::cluster {

enum class Presence {
  absent,  // no such domain
  off,
  silent,  // runs, but answers neither a login nor through its guest agent
  answers,
};

// One guest, read-only.
class GuestView {
 public:
  GuestView(HostReader& host, GuestTarget target) : host_(host), target_(std::move(target)) {}

  const GuestTarget& target() const { return target_; }
  struct Look {
    Presence presence = Presence::silent;
    bool lets_in = false;                  // answers a login; what its guest agent does is not enough
    std::optional<std::string> addresses;  // as its guest agent says, if it does not
  };
  // Asks the login, the guest agent and the hypervisor, each once at most. A host whose hypervisor cannot be asked counts as
  // silent. Never throws HostError.
  Look look();
  Presence presence() { return look().presence; }
  // Why it does not answer a login, in words for a user: "gpu-worker-1 is off"; empty if it does, or is absent.
  std::string words_of(const Look& seen) const;
  std::string trouble();  // the words of a look now
  CommandResult query(std::vector<std::string> argv, std::chrono::seconds limit = std::chrono::seconds(30));
  CommandResult query(const Command& command);
  bool has(const std::string& path);
  std::optional<std::string> get(const std::string& path);  // the content of a file; nothing if it is not there

 protected:
  HostReader& host_;
  GuestTarget target_;
};

// One guest that may be changed. What programs print there goes to the node's log.
class Guest : public GuestView {
 public:
  Guest(Host& host, GuestTarget target, StepContext& context)
      : GuestView(host, std::move(target)), writable_(host), context_(context) {}

  // Throws HostError::failed with the program's own complaint unless it exits with 0.
  std::string run(std::vector<std::string> argv, std::chrono::seconds limit);
  // The same for a program that prints a secret: that goes to no log, and into no error.
  std::string run_for_secret(std::vector<std::string> argv, std::chrono::seconds limit);
  // Any exit status is the caller's to judge.
  CommandResult try_run(const Command& command);
  void put(const std::string& path, const std::string& content);         // mode 0644
  void put_secret(const std::string& path, const std::string& content);  // mode 0600
  void remove(const std::string& path);                                  // only if it is there

 private:
  Host& writable_;
  StepContext& context_;
};

// "`gpuplan ssh NODE --cluster CLUSTER … -- COMMAND`": how a user runs it there, for the next step of a message.
std::string by_ssh(const std::string& cluster, const std::string& node, const std::string& command);

// "; `gpuplan logs NODE …` prints all of its output, which is in …" behind a failure; empty if no log of the node is kept.
std::string see_log(const StepContext& context, const std::string& node);

// The line of a failed program's output that says why; empty if there is none.
std::string complaint_of(const CommandResult& result);
// The sentence for a program that failed on a guest: first the line of its output that says why, which kubeadm's last
// line, for one, never is; then the program, without the options that every kubectl gets.
HostError guest_failure(const std::string& node, const std::vector<std::string>& argv, const CommandResult& result);

// What a user can do about a wait that was in vain.
struct InVain {
  std::string timeout;  // the key of the spec's `timeouts` that gives it longer; empty: none
  std::string look;     // where to look why: "`gpuplan …` shows …"; may be empty
};

// context.wait_until, which in addition survives a guest that does not answer for a while, and says at
// the end what was seen last and what to do. `ready` may set `seen`.
void wait_for(StepContext& context, const std::string& what, std::int64_t limit_seconds,
              const std::function<bool(std::string& seen)>& ready, const InVain& in_vain = {});
void wait_for_login(StepContext& context, GuestView& guest);

// For undo: true once the guest answers; false if there is no running guest in which anything could
// be undone. Throws HostError::timed_out for one that runs and stays silent.
bool wait_to_undo(StepContext& context, GuestView& guest);

}  // namespace gpuplan::cluster
