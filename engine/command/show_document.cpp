#include "command/show_document.h"

#include <fmt/format.h>

#include <algorithm>

#include "command/exit_codes.h"
#include "command/failure.h"
#include "command/new_file.h"
#include "plan/contained_call.h"

namespace gpuplan::command {
namespace {

constexpr const char* vm_word = "vm";
constexpr const char* kubeadm_word = "kubeadm";

// What the words after `show` ask for.
struct Wanted {
  std::string kind;
  std::string name;  // empty: the only one
  std::string spec;  // a path; empty: the spec of the cluster's last run
};

Wanted parse(const std::vector<std::string>& words) {
  Wanted wanted;
  std::size_t next = 1;
  if (words.front() == vm_word) {
    wanted.kind = "vm-define";
    if (words.size() < 2) {
      throw Failure(exit_bad_flags, "`gpuplan show vm` needs the NAME of a VM", {}, "for example gpuplan show vm gpu-worker-1");
    }
    wanted.name = words[next++];
  } else {
    wanted.kind = "k8s-init";
  }
  if (words.size() > next + 1) {
    throw Failure(exit_bad_flags, fmt::format("\"{}\" is one argument too many", printable(words.back())), {},
                  "`gpuplan show --help` shows the forms");
  }
  if (words.size() > next) wanted.spec = words[next];
  return wanted;
}

Spec spec_for(Session& session, const Wanted& wanted) {
  if (!wanted.spec.empty()) return session.read_spec(wanted.spec);
  session.choose_cluster();
  session.read_journal();
  std::optional<Spec> spec = session.journal ? last_spec(*session.journal) : std::nullopt;
  if (!spec) throw no_kept_spec(session);
  return std::move(*spec);
}

Resource find_resource(const StepKinds::Entry& plugin, const Spec& spec, const Wanted& wanted) {
  std::vector<Resource> resources;
  plugin_call(plugin, "expand", {}, nullptr, [&] { resources = plugin.kind->expand(spec); });
  std::vector<std::string> names;
  for (Resource& resource : resources) {
    if (wanted.name.empty() || resource.address.name() == wanted.name) return std::move(resource);
    names.emplace_back(resource.address.name());
  }
  if (names.empty()) throw Failure(exit_nothing_changed, fmt::format("the spec declares no {}", wanted.kind));
  const std::string near = did_you_mean(wanted.name, std::vector<std::string_view>(names.begin(), names.end()));
  throw Failure(exit_nothing_changed, fmt::format("the spec declares no VM {}", printable(wanted.name)), {},
                near.empty() ? fmt::format("its VMs are {}", fmt::join(names, ", ")) : fmt::format("did you mean {}?", near));
}

}  // namespace

bool is_document(const std::string& argument) { return argument == vm_word || argument == kubeadm_word; }

int show_document(Session& session) {
  const Wanted wanted = parse(session.options.arguments);
  Spec spec = spec_for(session, wanted);
  session.load_plugins();
  session.open_host(spec.host.libvirt_uri);
  session.read_journal();
  session.resolve(spec);
  const StepKinds::Entry* plugin = session.kinds.find_entry(wanted.kind);
  if (plugin == nullptr) throw Failure(exit_nothing_changed, fmt::format("there is no step kind {}", wanted.kind), {}, "`gpuplan plugins` lists them");
  const Resource resource = find_resource(*plugin, spec, wanted);
  std::optional<std::string> document;
  plugin_call(*plugin, "document", resource.address, &session.watch,
              [&] { document = plugin->kind->document(resource, spec, *session.host.host); });
  if (!document) throw Failure(exit_nothing_changed, fmt::format("{} has no document", resource.address.to_string()));
  hand_out(session, *document);
  return exit_done;
}

}  // namespace gpuplan::command
