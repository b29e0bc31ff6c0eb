// What a spec declares, what a host has, and how the two differ.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plugin/address.h"
#include "plugin/value.h"
#include "report/diagnostic.h"

namespace gpuplan {

enum class ValueType { boolean, integer, text, list };

// What a change of an attribute of an existing resource means.
enum class OnChange {
  update,   // can be changed in place
  replace,  // the resource must be taken away and made anew
};

struct AttributeSchema {
  std::string name;
  ValueType type = ValueType::text;
  std::string unit;                      // "MiB"; empty without one
  OnChange on_change = OnChange::update;
  bool sensitive = false;                // never printed, hashed where it is stored
  bool computed = false;                 // never declared; the host decides it ("known after apply")
  bool exclusive = false;                // list: each item is held by at most one resource of the kind
};

using Schema = std::vector<AttributeSchema>;

// One thing that should exist.
struct Resource {
  Address address;
  Attributes declared;
  std::vector<Address> depends_on;  // direct dependencies only
  // The resources inside which this one exists: it is gone when one of them is gone, and new when one
  // of them is new (a node's membership lives in its VM and in its cluster). Each is among depends_on.
  std::vector<Address> lives_in;
  std::optional<SourceLocation> where;
};

// What the host has of one resource.
struct Observation {
  bool exists = false;
  Attributes attributes;                        // declared and computed ones of the schema, no others
  std::map<std::string, std::string> read_from;  // attribute → where the value was read
  std::vector<std::string> unreadable;          // what could not be read and why; the plan says so
};

enum class Action { none, create, update, replace, remove };
std::string_view to_string(Action action);
std::optional<Action> action_from_string(std::string_view text);

struct AttributeChange {
  std::string name;
  Value before;
  Value after;
  bool known = true;  // false: the value is known only after apply
  bool sensitive = false;
  bool forces_replace = false;
  bool operator==(const AttributeChange&) const = default;
};

// A change has up to three stages, carried out in this order:
enum class Stage {
  withdraw,  // remove, replace: take the old thing away; update: let go of what others wait for
  apply,     // create, update, replace: make it so
  commit,    // the irreversible rest (delete disks); after the withdraw and apply of everything else
};
std::string_view to_string(Stage stage);
std::optional<Stage> stage_from_string(std::string_view text);

struct Change {
  Address address;
  Action action = Action::none;
  Resource resource;                   // as declared; for remove: as last declared
  Observation before;
  std::vector<std::string> reasons;    // why, one sentence each
  std::vector<AttributeChange> attributes;
  std::vector<std::string> notes;      // what the user should know: "the guest restarts"

  bool has_withdraw = false;
  bool has_apply = false;
  bool has_commit = false;
  // True if withdraw itself cannot be undone (draining a node): it then runs in the commit phase,
  // with everything that has to wait for it.
  bool withdraw_is_irreversible = false;
  // True if it counts only once the host was rebooted: the run stops behind it, and the next one goes on.
  bool needs_reboot = false;
  std::vector<std::string> irreversible;  // what cannot be undone, in words; empty if all can
  std::vector<std::string> sensitive;     // names of the schema's sensitive attributes

  bool reversible() const { return irreversible.empty(); }
};

}  // namespace gpuplan
