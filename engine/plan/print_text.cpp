#include "plan/print_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan {
namespace {

constexpr std::string_view red = "\033[31m";
constexpr std::string_view green = "\033[32m";
constexpr std::string_view yellow = "\033[33m";
constexpr std::string_view bold = "\033[1m";

std::string_view color_of(Action action) {
  switch (action) {
    case Action::create: return green;
    case Action::update: return yellow;
    case Action::replace:
    case Action::remove: return red;
    case Action::none: break;
  }
  return "";
}

std::string painted(std::string_view text, std::string_view color, const PrintStyle& style) {
  if (!style.color || color.empty()) return std::string(text);
  return fmt::format("{}{}\033[0m", color, text);
}

std::string unit_of(const StepKind* kind, const std::string& attribute) {
  if (kind == nullptr) return {};
  for (const AttributeSchema& schema : kind->schema()) {
    if (schema.name == attribute && !schema.unit.empty()) return " " + schema.unit;
  }
  return {};
}

bool absent(const Value& value) { return std::holds_alternative<std::monostate>(value); }

// "nvidia → vfio-pci", "8192 MiB", "(known after apply)", "(sensitive)".
std::string transition(const AttributeChange& change, const std::string& unit) {
  if (change.sensitive) return "(sensitive)";
  const std::string before = absent(change.before) ? "" : to_text(change.before);
  std::string after = "(known after apply)";
  if (change.known) after = to_text(change.after) + (absent(change.after) ? "" : unit);
  if (before.empty()) return after;
  if (change.known && change.before == change.after) return after;
  // The unit stands once, after the last value that has one.
  const bool unit_follows = change.known && !absent(change.after);
  return fmt::format("{}{} → {}", before, unit_follows ? "" : unit, after);
}

std::vector<std::string> those_besides(const std::vector<std::string>& entries, const std::vector<std::string>& others) {
  std::vector<std::string> out;
  std::copy_if(entries.begin(), entries.end(), std::back_inserter(out), [&](const std::string& entry) {
    return std::find(others.begin(), others.end(), entry) == others.end();
  });
  return out;
}

// Of a long list only the entries that go and come, a line each. Nothing for a short list, and where the order alone changes
// or no entry stays: that is shown whole.
std::string entries_that_differ(const AttributeChange& change) {
  constexpr std::size_t longest_line = 100;
  const auto* before = std::get_if<std::vector<std::string>>(&change.before);
  const auto* after = std::get_if<std::vector<std::string>>(&change.after);
  if (change.sensitive || !change.known || before == nullptr || after == nullptr) return {};
  if (to_text(change.before).size() + to_text(change.after).size() <= longest_line) return {};
  const auto goes = those_besides(*before, *after);
  const auto comes = those_besides(*after, *before);
  const std::size_t stay = before->size() - goes.size();
  if (stay == 0 || goes.size() + comes.size() == 0) return {};
  std::string out = fmt::format("{} {}", stay, stay == 1 ? "entry stays" : "entries stay");
  for (const std::string& entry : goes) out += fmt::format("\n        - {}", printable(entry));
  for (const std::string& entry : comes) out += fmt::format("\n        + {}", printable(entry));
  return out;
}

std::string print_attribute(const Change& change, const AttributeChange& attribute, const StepKind* kind,
                            const PrintStyle& style) {
  std::string text = entries_that_differ(attribute);
  if (text.empty()) text = transition(attribute, unit_of(kind, attribute.name));
  std::string line = fmt::format("      {}: {}", attribute.name, text);
  if (attribute.forces_replace) line += painted("  (forces replacement)", red, style);
  if (style.explain) {
    const auto source = change.before.read_from.find(attribute.name);
    if (source != change.before.read_from.end()) line += fmt::format("  (read from {})", printable(source->second));
  }
  return line + '\n';
}

std::string heading(const Plan& plan) {
  std::string out = fmt::format("Cluster {} on {}", plan.cluster, printable(plan.host_description));
  if (!plan.spec_name.empty()) out += fmt::format(", declared in {}", printable(plan.spec_name));
  return out + '\n';
}

// Explains only the symbols that occur.
std::string legend(const PlanSummary& summary) {
  std::string out;
  const auto add = [&out](std::size_t count, std::string_view text) {
    if (count == 0) return;
    out += out.empty() ? "" : "   ";
    out += text;
  };
  add(summary.create, "+ create");
  add(summary.update, "~ update in place");
  add(summary.replace, "-/+ take away and make anew");
  add(summary.remove, "- remove");
  return out.empty() ? out : out + '\n';
}

std::string_view color_of(CheckStatus status) {
  switch (status) {
    case CheckStatus::pass: return green;
    case CheckStatus::warn: return yellow;
    case CheckStatus::fail: break;
  }
  return red;
}

std::string_view word_for(CheckStatus status) {
  switch (status) {
    case CheckStatus::pass: return "pass";
    case CheckStatus::warn: return "warn";
    case CheckStatus::fail: break;
  }
  return "fail";
}

std::string print_check(const CheckResult& check, std::size_t name_width, const PrintStyle& style) {
  std::string out = fmt::format("  {}  {:<{}}  {}", painted(word_for(check.status), color_of(check.status), style),
                                check.name, name_width, printable(check.found));
  if (!check.read_from.empty()) out += fmt::format("  (read from {})", printable(check.read_from));
  out += '\n';
  if (check.status == CheckStatus::pass) return out;
  if (check.where) out += fmt::format("        declared at {}\n", check.where->to_string());
  if (!check.remedy.empty()) out += fmt::format("        next: {}\n", printable(check.remedy));
  if (check.needs_reboot) out += "        only a reboot of the host helps\n";
  return out;
}

}  // namespace

std::string_view symbol_of(Action action) {
  switch (action) {
    case Action::create: return "+";
    case Action::update: return "~";
    case Action::replace: return "-/+";
    case Action::remove: return "-";
    case Action::none: break;
  }
  return " ";
}

std::string print_change(const Change& change, const StepKinds& kinds, const PrintStyle& style) {
  const std::string symbol = fmt::format("{:>3}", symbol_of(change.action));
  std::string out = fmt::format("{} {}{}\n", painted(symbol, color_of(change.action), style),
                                painted(change.address.to_string(), bold, style),
                                change.reversible() ? "" : painted("  (cannot be undone)", red, style));
  if (style.explain) {
    for (const std::string& reason : change.reasons) out += fmt::format("      because {}\n", printable(reason));
  }
  const StepKind* kind = kinds.find(change.address.kind());
  for (const AttributeChange& attribute : change.attributes) {
    if (change.action == Action::none && !style.explain) continue;
    out += print_attribute(change, attribute, kind, style);
  }
  for (const std::string& what : change.irreversible) {
    out += painted(fmt::format("      cannot be undone: {}", printable(what)), red, style) + '\n';
  }
  if (change.needs_reboot) out += "      then a reboot of the host, before anything that depends on it\n";
  for (const std::string& note : change.notes) out += fmt::format("      note: {}\n", printable(note));
  for (const std::string& what : change.before.unreadable) {
    out += painted(fmt::format("      could not be read: {}", printable(what)), yellow, style) + '\n';
  }
  return out;
}

std::string print_plan(const Plan& plan, const StepKinds& kinds, const PrintStyle& style) {
  const PlanSummary summary = summarize(plan);
  std::string out = heading(plan);
  const std::string symbols = legend(summary);
  if (!symbols.empty()) out += symbols + '\n';
  for (const Change& change : plan.changes) {
    const bool silent = change.notes.empty() && change.before.unreadable.empty();
    if (change.action == Action::none && silent && !style.explain) continue;
    out += print_change(change, kinds, style);
  }
  if (out.back() == '\n' && (!symbols.empty() || style.explain)) out += '\n';
  return out + to_sentence(summary) + '\n';
}

std::string print_checks(const std::vector<CheckResult>& checks, bool all, const PrintStyle& style) {
  std::size_t name_width = 0;
  for (const CheckResult& check : checks) {
    if (all || check.status != CheckStatus::pass) name_width = std::max(name_width, check.name.size());
  }
  std::string out;
  const Address* group = nullptr;
  for (const CheckResult& check : checks) {
    if (!all && check.status == CheckStatus::pass) continue;
    if (group == nullptr || *group != check.address) {
      out += painted(check.address.to_string(), bold, style) + '\n';
      group = &check.address;
    }
    out += print_check(check, name_width, style);
  }
  if (!out.empty()) out += '\n';
  return out + count_checks(checks) + '\n';
}

std::string count_checks(const std::vector<CheckResult>& checks) {
  std::size_t passed = 0;
  std::size_t warned = 0;
  std::size_t failed = 0;
  for (const CheckResult& check : checks) {
    if (check.status == CheckStatus::pass) ++passed;
    if (check.status == CheckStatus::warn) ++warned;
    if (check.status == CheckStatus::fail) ++failed;
  }
  return fmt::format("{} check{} passed, {} warning{}, {} failed.", passed, passed == 1 ? "" : "s", warned,
                     warned == 1 ? "" : "s", failed);
}

}  // namespace gpuplan
