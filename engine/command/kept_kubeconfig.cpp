#include "command/kept_kubeconfig.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "command/cluster_nodes.h"
#include "command/exit_codes.h"
#include "command/failure.h"
#include "host/files/durable_files.h"
#include "yaml/parse.h"

namespace gpuplan::command {
namespace {

constexpr const char* admin_kubeconfig = "/etc/kubernetes/admin.conf";
constexpr std::string_view control_plane_kind = "k8s-init";
constexpr unsigned secret_mode = 0600;

bool is_there(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

Diagnostic warning(std::string summary, std::string why, std::string remedy) {
  return {Severity::warning, std::move(summary), std::move(why), std::move(remedy), {}, {}};
}

void keep(const std::string& path, const std::string& text) {
  Diagnostics ignored;
  const auto kept = is_there(path) ? read_source_file(path, ignored) : nullptr;
  if (kept == nullptr || kept->text != text) replace_file(path, text, secret_mode);
}

}  // namespace

bool has_control_plane(Session& session) {
  const std::vector<OwnedResource> owned = session.owned();
  return std::any_of(owned.begin(), owned.end(),
                     [](const OwnedResource& item) { return item.resource.address.kind() == control_plane_kind; });
}

KubeconfigOwner kubeconfig_owner(const Session& session) { return {session.cluster, session.host.host->identity()}; }

FetchedKubeconfig fetch_kubeconfig(Session& session, const Spec& spec) {
  const GuestTarget control_plane = control_plane_target(spec);
  const std::string path = session.state.kubeconfig(session.cluster);
  std::string trouble;
  try {
    const auto say = session.console.passing_text();
    if (say) say(fmt::format("Asking {} for its kubeconfig", control_plane.node));
    if (const auto text = session.host.host->guests().get(control_plane, admin_kubeconfig)) {
      keep(path, *text);
      return {*text, {}};
    }
  } catch (const HostError& error) {
    trouble = error.what();
  }
  const std::string apply = fmt::format("`{}` goes on with making it", session.suggest("apply SPEC"));
  if (trouble.empty()) {
    throw Failure(exit_nothing_changed, fmt::format("there is no cluster on {} yet", control_plane.node),
                  fmt::format("{} is missing on it", admin_kubeconfig), apply);
  }
  Diagnostics problems;
  const auto kept = is_there(path) ? read_source_file(path, problems) : nullptr;
  if (kept == nullptr) {
    throw Failure(exit_nothing_changed,
                  fmt::format("the kubeconfig of cluster {} cannot be fetched", session.cluster), trouble,
                  "no copy of it was kept; try again when the control plane answers");
  }
  return {kept->text, trouble};
}

void keep_kubeconfig(Session& session, const Spec& spec) {
  if (!spec.kubernetes.enabled || !has_control_plane(session)) return;
  try {
    const auto text = session.host.host->guests().get(control_plane_target(spec), admin_kubeconfig);
    if (text) keep(session.state.kubeconfig(session.cluster), *text);
  } catch (const HostError& error) {
    session.console.show(
        {warning("no copy of the cluster's kubeconfig was kept", error.what(),
                 fmt::format("`{}` fetches it", session.suggest("kubeconfig --cluster " + session.cluster)))});
  }
}

void forget_kubeconfig(Session& session) {
  const std::string path = session.state.kubeconfig(session.cluster);
  if (has_control_plane(session) || !is_there(path)) return;
  try {
    remove_file_durably(path);
  } catch (const HostError& error) {
    session.console.show(
        {warning("the kept kubeconfig is still there", error.what(), fmt::format("remove {}", path))});
  }
  const std::string& own = session.options.kubeconfig;
  Diagnostics ignored;
  const auto file = !own.empty() && is_there(own) ? read_source_file(own, ignored) : nullptr;
  if (file == nullptr || !has_entries_of(file, kubeconfig_owner(session))) return;
  const std::string& name = session.cluster;
  session.console.show(
      {{Severity::note,
        fmt::format("the entries of cluster {} in {} stay", name, own),
        {},
        fmt::format("`kubectl config delete-context {0}; kubectl config delete-user {0}; kubectl config "
                    "delete-cluster {0}` removes them",
                    name),
        {},
        {}}});
}

std::shared_ptr<const SourceFile> read_own_kubeconfig(const std::string& path) {
  if (!is_there(path)) return std::make_shared<const SourceFile>(SourceFile{path, ""});
  Diagnostics problems;
  auto file = read_source_file(path, problems);
  if (file == nullptr) throw Failure(exit_nothing_changed, problems.items());
  return file;
}

}  // namespace gpuplan::command
