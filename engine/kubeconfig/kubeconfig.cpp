#include "kubeconfig/kubeconfig.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <vector>

#include "yaml/parse.h"
#include "yaml/print.h"

namespace gpuplan {
namespace {

constexpr std::string_view mark_name = "gpuplan.io/cluster";

// The three kinds of entries: the list, and the mapping inside each of its items.
struct EntryKind {
  const char* list;
  const char* body;
};
constexpr EntryKind cluster_kind{"clusters", "cluster"};
constexpr EntryKind user_kind{"users", "user"};
constexpr EntryKind context_kind{"contexts", "context"};
constexpr std::array all_kinds = {cluster_kind, user_kind, context_kind};

YamlNode text_node(std::string text) { return YamlNode::scalar({}, std::move(text), false); }

YamlNode mapping_node(std::vector<std::pair<std::string, YamlNode>> members) {
  std::vector<YamlNode::Entry> entries;
  entries.reserve(members.size());
  for (auto& member : members) entries.push_back({std::move(member.first), {}, std::move(member.second)});
  return YamlNode::mapping({}, std::move(entries));
}

// `mapping` with `key` set to `value`: where it stands already, else at the end.
YamlNode with(const YamlNode& mapping, std::string_view key, YamlNode value) {
  std::vector<YamlNode::Entry> entries = mapping.entries();
  for (YamlNode::Entry& entry : entries) {
    if (entry.key != key) continue;
    entry.value = std::move(value);
    return YamlNode::mapping(mapping.where(), std::move(entries));
  }
  entries.push_back({std::string(key), {}, std::move(value)});
  return YamlNode::mapping(mapping.where(), std::move(entries));
}

std::string text_at(const YamlNode* node, std::string_view key) {
  const YamlNode* value = node == nullptr ? nullptr : node->find(key);
  return value == nullptr ? "" : value->text();
}

const YamlNode* find_entry(const YamlNode& root, const EntryKind& kind, const std::string& name) {
  const YamlNode* list = root.find(kind.list);
  if (list == nullptr) return nullptr;
  for (const YamlNode& item : list->items()) {
    if (text_at(&item, "name") == name) return &item;
  }
  return nullptr;
}

YamlNode mark_of(const KubeconfigOwner& owner) {
  return YamlNode::sequence({}, {mapping_node({{"name", text_node(std::string(mark_name))},
                                               {"extension", mapping_node({{"cluster", text_node(owner.cluster)},
                                                                           {"host", text_node(owner.host)}})}})});
}

bool is_marked(const YamlNode* body, const KubeconfigOwner& owner) {
  const YamlNode* extensions = body == nullptr ? nullptr : body->find("extensions");
  if (extensions == nullptr) return false;
  for (const YamlNode& item : extensions->items()) {
    const YamlNode* mark = item.find("extension");
    if (text_at(&item, "name") == mark_name && text_at(mark, "cluster") == owner.cluster &&
        text_at(mark, "host") == owner.host) {
      return true;
    }
  }
  return false;
}

// A mapping with apiVersion v1 and kind Config, or nothing at all.
bool check_kubeconfig(const YamlNode& root, const SourceFile& file, Diagnostics& diagnostics) {
  if (root.is_null()) return true;
  const auto complain = [&](const YamlNode& at, const std::string& what) {
    diagnostics.error(at.where(), fmt::format("{} is no kubeconfig: {}", file.name, what),
                      "name the right file in KUBECONFIG, or mend this one");
    return false;
  };
  if (!root.is_mapping())
    return complain(root, fmt::format("it has {} where a mapping belongs", describe(root.kind())));
  const YamlNode* kind = root.find("kind");
  if (kind != nullptr && kind->text() != "Config") return complain(*kind, "its kind is not Config");
  for (const EntryKind& entry : all_kinds) {
    const YamlNode* list = root.find(entry.list);
    if (list == nullptr || list->is_null()) continue;
    if (!list->is_sequence()) return complain(*list, fmt::format("{} is not a list", entry.list));
    for (const YamlNode& item : list->items()) {
      const YamlNode* body = item.find(entry.body);
      const bool good = item.is_mapping() && (body == nullptr || body->is_null() || body->is_mapping());
      if (!good)
        return complain(item,
                        fmt::format("an item of {} is not a mapping with a name and a {}", entry.list, entry.body));
    }
  }
  return true;
}

// What kubeadm's file has to hand over: the bodies of the cluster and the user of its current context.
struct Access {
  const YamlNode* cluster = nullptr;
  const YamlNode* user = nullptr;
};

std::optional<Access> access_in(const YamlNode& admin, const SourceFile& file, Diagnostics& diagnostics) {
  const YamlNode* entry = find_entry(admin, context_kind, text_at(&admin, "current-context"));
  const YamlNode* context = entry == nullptr ? nullptr : entry->find(context_kind.body);
  const YamlNode* cluster = find_entry(admin, cluster_kind, text_at(context, "cluster"));
  const YamlNode* user = find_entry(admin, user_kind, text_at(context, "user"));
  Access found{cluster == nullptr ? nullptr : cluster->find(cluster_kind.body),
               user == nullptr ? nullptr : user->find(user_kind.body)};
  if (found.cluster != nullptr && found.cluster->is_mapping() && found.user != nullptr && found.user->is_mapping())
    return found;
  diagnostics.error(admin.where(), fmt::format("{} has no current context with a cluster and a user", file.name),
                    "look at it on the control plane: kubeadm writes it");
  return std::nullopt;
}

// Puts one entry under the owner's name. `body` is it without the mark.
class Merger {
 public:
  Merger(YamlNode own, const KubeconfigOwner& owner, Diagnostics& diagnostics)
      : root_(own.is_null() ? mapping_node({{"apiVersion", text_node("v1")}, {"kind", text_node("Config")}})
                            : std::move(own)),
        owner_(owner),
        diagnostics_(diagnostics) {}

  bool put_cluster(const YamlNode& body) {
    const YamlNode* old = body_of(cluster_kind);
    const std::string authority = text_at(&body, "certificate-authority-data");
    const bool same = !authority.empty() && text_at(old, "certificate-authority-data") == authority;
    return put(cluster_kind, body, same);
  }
  bool put_user(const YamlNode& body) { return put(user_kind, body, false); }
  // What the user has set in the context of ours, such as a namespace, stays.
  bool put_context() {
    const YamlNode* old = body_of(context_kind);
    YamlNode body = old != nullptr && is_marked(old, owner_) ? *old : mapping_node({});
    body = with(with(body, "cluster", text_node(owner_.cluster)), "user", text_node(owner_.cluster));
    return put(context_kind, body, false);
  }
  void use(bool always) {
    if (always || text_at(&root_, "current-context").empty())
      root_ = with(root_, "current-context", text_node(owner_.cluster));
  }
  const YamlNode& root() const { return root_; }

 private:
  const YamlNode* body_of(const EntryKind& kind) const {
    const YamlNode* entry = find_entry(root_, kind, owner_.cluster);
    return entry == nullptr ? nullptr : entry->find(kind.body);
  }

  bool put(const EntryKind& kind, const YamlNode& body, bool ours_anyway) {
    const YamlNode* old = find_entry(root_, kind, owner_.cluster);
    if (old != nullptr && !ours_anyway && !is_marked(old->find(kind.body), owner_)) {
      diagnostics_.error(
          old->where(),
          fmt::format("the {} \"{}\" is there already and was not made by gpuplan for this cluster", kind.body,
                      owner_.cluster),
          fmt::format("rename or delete it (`kubectl config delete-{} {}`), or print the kubeconfig without "
                      "--merge into a file of its own",
                      kind.body, owner_.cluster));
      return false;
    }
    const YamlNode entry =
        mapping_node({{"name", text_node(owner_.cluster)}, {kind.body, with(body, "extensions", mark_of(owner_))}});
    const YamlNode* list = root_.find(kind.list);
    std::vector<YamlNode> items = list == nullptr ? std::vector<YamlNode>{} : list->items();
    bool replaced = false;
    for (YamlNode& item : items) {
      if (replaced || text_at(&item, "name") != owner_.cluster) continue;
      item = entry;
      replaced = true;
    }
    if (!replaced) items.push_back(entry);
    root_ = with(root_, kind.list, YamlNode::sequence({}, std::move(items)));
    return true;
  }

  YamlNode root_;
  const KubeconfigOwner& owner_;
  Diagnostics& diagnostics_;
};

}  // namespace

std::optional<MergedKubeconfig> merge_kubeconfig(const std::shared_ptr<const SourceFile>& own,
                                                 const std::shared_ptr<const SourceFile>& admin,
                                                 const KubeconfigOwner& owner, bool use_context,
                                                 Diagnostics& diagnostics) {
  const YamlNode theirs = parse_yaml(admin, diagnostics);
  const YamlNode before = parse_yaml(own, diagnostics);
  if (diagnostics.has_errors()) return std::nullopt;
  if (!check_kubeconfig(theirs, *admin, diagnostics) || !check_kubeconfig(before, *own, diagnostics))
    return std::nullopt;
  const std::optional<Access> access = access_in(theirs, *admin, diagnostics);
  if (!access) return std::nullopt;
  Merger merger(before, owner, diagnostics);
  // All three are tried, so that everything that stands in the way is told at once.
  const bool cluster = merger.put_cluster(*access->cluster);
  const bool user = merger.put_user(*access->user);
  const bool context = merger.put_context();
  if (!cluster || !user || !context) return std::nullopt;
  merger.use(use_context);
  MergedKubeconfig merged;
  merged.text = print_yaml(merger.root());
  merged.changed = merged.text != print_yaml(before);
  merged.current = text_at(&merger.root(), "current-context");
  return merged;
}

bool has_entries_of(const std::shared_ptr<const SourceFile>& own, const KubeconfigOwner& owner) {
  Diagnostics ignored;
  const YamlNode root = parse_yaml(own, ignored);
  for (const EntryKind& kind : all_kinds) {
    const YamlNode* entry = find_entry(root, kind, owner.cluster);
    if (entry != nullptr && is_marked(entry->find(kind.body), owner)) return true;
  }
  return false;
}

}  // namespace gpuplan
