#include "property/toy_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace property {
namespace {

using toy::ToyResource;

const std::vector<std::string> colors = {"red", "blue", "green", "white"};

std::string name_of(std::size_t number) { return "r" + std::to_string(number); }

// Drops what a list of declarations may not have: needs that do not stand before, items held twice.
void make_sound(Declared& declared) {
  std::set<std::string> before;
  std::set<std::string> taken;
  for (ToyResource& resource : declared) {
    std::erase_if(resource.needs, [&](const std::string& need) { return before.count(need) == 0; });
    if (before.count(resource.lives_in) == 0) resource.lives_in.clear();
    const auto& needs = resource.needs;
    const bool lacks_home = std::find(needs.begin(), needs.end(), resource.lives_in) == needs.end();
    if (!resource.lives_in.empty() && lacks_home) resource.needs.push_back(resource.lives_in);
    std::erase_if(resource.items, [&](const std::string& item) { return !taken.insert(item).second; });
    before.insert(resource.name);
  }
}

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : random_(seed) {}

  Scenario scenario(std::uint64_t seed) {
    Scenario out;
    out.seed = seed;
    out.parallelism = random_.chance(50) ? 1 : random_.between(2, 8);
    most_ = random_.chance(10) ? 40 : random_.chance(30) ? 15 : 6;
    items_ = random_.between(1, most_ / 2 + 1);
    Declared declared;
    for (std::size_t i = random_.below(most_ + 1); i > 0; --i) add_resource(declared);
    make_sound(declared);
    if (random_.chance(85)) out.first = declared;
    out.foreign = foreign();
    for (const ToyResource& resource : out.first) {
      if (random_.chance(8)) out.drift.push_back({resource.name, random_.chance(50)});
    }
    const std::size_t attempts = random_.between(1, 3);
    for (std::size_t i = 0; i < attempts; ++i) {
      edit(declared);
      out.attempts.push_back({declared, random_.chance(75) ? mishap(declared) : Mishap{}});
    }
    if (random_.chance(30)) out.rollback_mishap = mishap(declared);
    return out;
  }

 private:
  ToyResource random_resource() {
    ToyResource out;
    out.name = name_of(random_.below(most_));
    out.color = random_.pick(colors);
    if (random_.chance(20)) out.shape = "square";
    for (std::size_t i = random_.chance(40) ? random_.between(1, 2) : 0; i > 0; --i) out.items.push_back(random_item());
    out.drains = random_.chance(8);
    out.has_disk = random_.chance(8);
    out.goes_along = random_.chance(50);
    return out;
  }
  std::string random_item() { return "g" + std::to_string(random_.below(items_)); }

  void connect(ToyResource& resource, const Declared& declared) {
    resource.needs.clear();
    resource.lives_in.clear();
    if (declared.empty()) return;
    for (std::size_t i = random_.below(4); i > 0; --i) {
      const std::string& need = random_.pick(declared).name;
      if (std::find(resource.needs.begin(), resource.needs.end(), need) == resource.needs.end()) {
        resource.needs.push_back(need);
      }
    }
    if (random_.chance(30)) resource.lives_in = random_.pick(declared).name;
  }

  void add_resource(Declared& declared) {
    ToyResource resource = random_resource();
    const auto same = [&](const ToyResource& other) { return other.name == resource.name; };
    if (std::any_of(declared.begin(), declared.end(), same)) return;
    connect(resource, declared);
    const auto place = random_.chance(70) ? declared.size() : random_.below(declared.size() + 1);
    declared.insert(declared.begin() + static_cast<std::ptrdiff_t>(place), std::move(resource));
  }

  void edit(Declared& declared) {
    for (std::size_t i = random_.between(0, 4); i > 0; --i) edit_once(declared);
    make_sound(declared);
  }

  void edit_once(Declared& declared) {
    if (declared.empty() || random_.chance(20)) return add_resource(declared);
    const auto at = declared.begin() + static_cast<std::ptrdiff_t>(random_.below(declared.size()));
    ToyResource& other = declared[random_.below(declared.size())];
    switch (random_.below(8)) {
      case 0: declared.erase(at); break;
      case 1: at->color = random_.pick(colors); break;
      case 2: at->shape = at->shape == "round" ? "square" : "round"; break;
      case 3: std::swap(at->items, other.items); break;
      case 4: at->items = random_resource().items; break;
      case 5: connect(*at, Declared(declared.begin(), at)); break;
      case 6: std::swap(*at, other); break;  // turns edges between them round, or drops them
      default:
        at->drains = random_.chance(10);
        at->has_disk = random_.chance(10);
        at->goes_along = random_.chance(50);
    }
  }

  Declared foreign() {
    Declared out;
    for (std::size_t i = random_.chance(25) ? random_.between(1, 2) : 0; i > 0; --i) {
      ToyResource resource;
      resource.name = name_of(random_.below(most_));
      resource.color = random_.pick(colors);
      out.push_back(resource);
    }
    return out;
  }

  Mishap mishap(const Declared& declared) {
    Mishap out;
    switch (random_.below(4)) {
      case 0:
        if (!declared.empty()) out.faults.push_back(at_address("toy/" + random_.pick(declared).name));
        break;
      case 1: out.faults.push_back(at_call(random_.between(1, 30))); break;
      case 2: out.journal_write = static_cast<std::int64_t>(random_.between(1, 40)); break;
      default: out.interrupt_at = random_.between(1, 12);
    }
    if (random_.chance(15)) out.faults.push_back(at_call(random_.between(1, 60)));
    return out;
  }
  static gpuplan::Fault at_address(const std::string& address) {
    gpuplan::Fault fault;
    fault.address = address;
    return fault;
  }
  static gpuplan::Fault at_call(std::size_t call) {
    gpuplan::Fault fault;
    fault.call = static_cast<std::int64_t>(call);
    return fault;
  }

  Random random_;
  std::size_t most_ = 0;   // names
  std::size_t items_ = 0;  // items
};

void without(Declared& declared, const std::string& name) {
  std::erase_if(declared, [&](const ToyResource& resource) { return resource.name == name; });
  make_sound(declared);
}

std::set<std::string> names_in(const Scenario& scenario) {
  std::set<std::string> out;
  const auto collect = [&](const Declared& declared) {
    for (const ToyResource& resource : declared) out.insert(resource.name);
  };
  collect(scenario.foreign);
  collect(scenario.first);
  for (const Attempt& attempt : scenario.attempts) collect(attempt.declared);
  return out;
}

// One plain thing about a resource each: applied to it wherever it is declared.
const std::vector<void (*)(ToyResource&)> plainer = {
    [](ToyResource& resource) { resource.items.clear(); },
    [](ToyResource& resource) { resource.needs.clear(), resource.lives_in.clear(); },
    [](ToyResource& resource) { resource.lives_in.clear(); },
    [](ToyResource& resource) { if (resource.needs.size() > 1) resource.needs.pop_back(); },
    [](ToyResource& resource) { resource.drains = false; },
    [](ToyResource& resource) { resource.has_disk = false; },
    [](ToyResource& resource) { resource.goes_along = false; },
    [](ToyResource& resource) { resource.shape = "round"; },
    [](ToyResource& resource) { resource.color = "red"; },
};

std::string text_of(const ToyResource& resource) {
  std::string out = "    " + resource.name + " " + resource.color + " " + resource.shape;
  const auto add = [&](const char* label, const std::vector<std::string>& items) {
    if (items.empty()) return;
    out += std::string(" ") + label;
    for (const std::string& item : items) out += " " + item;
  };
  add("needs", resource.needs);
  if (!resource.lives_in.empty()) out += " lives_in " + resource.lives_in;
  add("items", resource.items);
  if (resource.drains) out += " drains";
  if (resource.has_disk) out += " has_disk";
  if (resource.goes_along) out += " goes_along";
  return out + "\n";
}

std::string text_of(const char* title, const Declared& declared) {
  std::string out = std::string("  ") + title + "\n";
  for (const ToyResource& resource : declared) out += text_of(resource);
  return out;
}

std::string text_of(const Mishap& mishap) {
  std::string out;
  for (const gpuplan::Fault& fault : mishap.faults) {
    out += fault.address.empty() ? " call:" + std::to_string(fault.call) : " " + fault.address;
  }
  if (mishap.journal_write > 0) out += " journal:" + std::to_string(mishap.journal_write);
  if (mishap.interrupt_at > 0) out += " interrupt at stage " + std::to_string(mishap.interrupt_at);
  return out.empty() ? " nothing" : out;
}

}  // namespace

Scenario random_scenario(std::uint64_t seed) { return Generator(seed).scenario(seed); }

std::vector<Scenario> simpler_scenarios(const Scenario& scenario) {
  std::vector<Scenario> out;
  const auto candidate = [&](const auto& change) {
    Scenario simpler = scenario;
    change(simpler);
    if (describe(simpler) != describe(scenario)) out.push_back(std::move(simpler));
  };
  for (std::size_t i = 0; i < scenario.attempts.size(); ++i) {
    candidate([i](Scenario& it) { it.attempts.erase(it.attempts.begin() + static_cast<std::ptrdiff_t>(i)); });
  }
  candidate([](Scenario& it) { it.foreign.clear(); });
  candidate([](Scenario& it) { it.first.clear(); });
  candidate([](Scenario& it) { it.drift.clear(); });
  candidate([](Scenario& it) { it.rollback_mishap = {}; });
  for (std::size_t i = 0; i < scenario.attempts.size(); ++i) {
    candidate([i](Scenario& it) { it.attempts[i].mishap = {}; });
  }
  const auto each_list = [](Scenario& it, const auto& change) {
    change(it.foreign);
    change(it.first);
    for (Attempt& attempt : it.attempts) change(attempt.declared);
  };
  for (const std::string& name : names_in(scenario)) {
    candidate([&](Scenario& it) { each_list(it, [&](Declared& declared) { without(declared, name); }); });
    for (std::size_t i = 0; i < scenario.attempts.size(); ++i) {
      candidate([&](Scenario& it) { without(it.attempts[i].declared, name); });
    }
  }
  for (const std::string& name : names_in(scenario)) {
    for (const auto& change : plainer) {
      candidate([&](Scenario& it) {
        each_list(it, [&](Declared& declared) {
          for (ToyResource& resource : declared) {
            if (resource.name == name) change(resource);
          }
          make_sound(declared);
        });
      });
    }
  }
  candidate([](Scenario& it) { it.parallelism = 1; });
  return out;
}

std::string describe(const Scenario& scenario) {
  std::string out = fmt::format("seed {}, parallelism {}\n", scenario.seed, scenario.parallelism);
  out += text_of("there before:", scenario.foreign);
  out += text_of("applied first:", scenario.first);
  for (const Drift& drift : scenario.drift) {
    out += "  then others " + std::string(drift.gone ? "remove " : "recolor ") + drift.name + "\n";
  }
  for (const Attempt& attempt : scenario.attempts) {
    out += text_of("then applied:", attempt.declared) + "  with" + text_of(attempt.mishap) + " going wrong\n";
  }
  return out + "  rollback, with" + text_of(scenario.rollback_mishap) + " going wrong\n";
}

}  // namespace property
