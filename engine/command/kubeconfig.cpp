// gpuplan kubeconfig: what kubectl needs to reach the cluster.
#include "kubeconfig/kubeconfig.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <iostream>

#include "command/cluster_nodes.h"
#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/kept_kubeconfig.h"
#include "command/verbs.h"
#include "host/files/durable_files.h"

namespace gpuplan::command {
namespace {

namespace fs = std::filesystem;

// kubectl takes the same lock before it changes the file: FILE.lock, made by whoever may go on.
class KubeconfigLock {
 public:
  explicit KubeconfigLock(const std::string& path) : path_(path + ".lock") {
    const int descriptor = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (descriptor < 0) {
      const int error = errno;
      throw Failure(exit_nothing_changed,
                    error == EEXIST
                        ? fmt::format("somebody else is changing {}", printable(path))
                        : fmt::format("{} cannot be changed: {}", printable(path), words_for_errno(error)),
                    error == EEXIST ? fmt::format("{} is there", printable(path_)) : "",
                    error == EEXIST ? "try again; if nobody is, remove that file"
                                    : "name a file that you can write in KUBECONFIG, or leave --merge away");
    }
    close(descriptor);
  }
  ~KubeconfigLock() { unlink(path_.c_str()); }
  KubeconfigLock(const KubeconfigLock&) = delete;
  KubeconfigLock& operator=(const KubeconfigLock&) = delete;

 private:
  std::string path_;
};

// The file itself, where the path leads to it through symlinks.
std::string own_file(const Session& session) {
  const std::string& path = session.options.kubeconfig;
  if (path.empty()) {
    throw Failure(exit_nothing_changed, "there is no kubeconfig to merge into", "neither KUBECONFIG nor HOME is set",
                  "set KUBECONFIG to the file, or leave --merge away");
  }
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(path, error);
  return error ? path : resolved.string();
}

Json merge(Session& session, const std::string& admin, std::string& said) {
  const std::string path = own_file(session);
  make_directories(fs::path(path).parent_path().string(), 0700);
  const KubeconfigLock lock(path);
  Diagnostics problems;
  const auto theirs = std::make_shared<const SourceFile>(SourceFile{"the cluster's kubeconfig", admin});
  const auto merged = merge_kubeconfig(read_own_kubeconfig(path), theirs, kubeconfig_owner(session),
                                       session.options.use_context, problems);
  if (!merged) throw Failure(exit_nothing_changed, problems.items());
  if (merged->changed) replace_file(path, merged->text, 0600);
  const std::string& name = session.cluster;
  const bool current = merged->current == name;
  said = fmt::format("{} cluster, user and context {} in {}.\n", merged->changed ? "Merged:" : "No changes:", name,
                     printable(path));
  said += current ? "Next: `kubectl get nodes`\n"
                  : fmt::format("The current context is still {}. Next: `kubectl --context {} get nodes`\n",
                                printable(merged->current), name);
  return {{"path", path}, {"changed", merged->changed}, {"context", name}, {"current_context", merged->current}};
}

}  // namespace

int run_kubeconfig(Session& session) {
  const Options& options = session.options;
  if (options.use_context && !options.merge) {
    throw Failure(exit_bad_flags, "--use-context needs --merge", "what is printed is a file of its own",
                  "add --merge");
  }
  const Spec spec = open_cluster(session, options.arguments.empty() ? "" : options.arguments.front());
  require_kubernetes(spec);
  const FetchedKubeconfig fetched = fetch_kubeconfig(session, spec);
  if (!fetched.kept_because.empty()) {
    session.console.show({{Severity::warning,
                           "this is the copy that was kept, for the control plane does not answer",
                           fetched.kept_because,
                           {},
                           {},
                           {}}});
  }
  Json document = {{"format_version", plan_format_version},
                   {"cluster", session.cluster},
                   {"kept_at", session.state.kubeconfig(session.cluster)},
                   {"fetched", fetched.kept_because.empty()}};
  std::string said = fetched.text;
  if (options.merge)
    document["merged"] = merge(session, fetched.text, said);
  else
    document["text"] = fetched.text;
  if (session.console.json())
    session.console.document(document);
  else
    session.console.out() << said;
  return exit_done;
}

}  // namespace gpuplan::command
