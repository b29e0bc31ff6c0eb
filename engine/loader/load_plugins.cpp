#include "loader/load_plugins.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "host/host_error.h"
#include "loader/module_place.h"
#include "plugin/plugin.h"

namespace gpuplan {
namespace {

// Ends the way of one module through the stages.
struct LoadFailure {
  std::string stage;
  std::string reason;
  std::string remedy;
};

constexpr const char* descriptor_remedy =
    "its author must define the descriptor with GPUPLAN_PLUGIN(…) from plugin/plugin.h, once";
constexpr const char* rename_remedy = "its author must give its kind another name";
constexpr const char* rebuild_remedy = "its author must rebuild it with the headers and the compiler of this gpuplan";

// With every symlink resolved: what is checked is what is opened.
std::string resolved(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), &std::free);
  if (!real) throw LoadFailure{"place", words_for_errno(errno), "check the path"};
  return real.get();
}

std::string trusted_place(const std::string& path) {
  std::string real = resolved(path);
  if (geteuid() == 0) {
    const PlaceProblem problem = place_problem(real);
    if (!problem.why.empty()) throw LoadFailure{"place", problem.why, problem.remedy};
  }
  return real;
}

void* open_module(const std::string& real_path) {
  // Never closed: an object or exception of the module may outlive every use of it.
  void* const module = dlopen(real_path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (module) return module;
  const char* const text = dlerror();
  const std::string reason = text ? text : "no reason given";
#ifndef _GLIBCXX_DEBUG
  if (reason.find("St7__debug") != std::string::npos) {
    throw LoadFailure{"open", "it was compiled with _GLIBCXX_DEBUG, this gpuplan was not: " + reason, rebuild_remedy};
  }
#endif
  throw LoadFailure{"open", "the dynamic linker refuses it: " + reason,
                    "its author must build it like this gpuplan (`gpuplan version` shows the build tag) and link it "
                    "against its gpuplan_sdk, with -Wl,--no-undefined"};
}

const GpuplanPlugin& descriptor_of(void* module) {
  const void* const symbol = dlsym(module, "gpuplan_plugin");
  if (!symbol) throw LoadFailure{"descriptor", "it exports no `gpuplan_plugin`", descriptor_remedy};
  return *static_cast<const GpuplanPlugin*>(symbol);
}

// Looks at each member only after those before it have told that it can be there.
void check_descriptor(const GpuplanPlugin& plugin) {
  if (plugin.magic != gpuplan_plugin_magic) {
    throw LoadFailure{
        "magic", fmt::format("its descriptor begins with 0x{:08x}, not 0x{:08x}", plugin.magic, gpuplan_plugin_magic),
        descriptor_remedy};
  }
  if (plugin.size != sizeof(GpuplanPlugin)) {
    throw LoadFailure{
        "size",
        fmt::format("its descriptor has {} bytes, this gpuplan knows one of {}", plugin.size, sizeof(GpuplanPlugin)),
        rebuild_remedy};
  }
  if (!plugin.build_tag || std::string_view(plugin.build_tag) != GPUPLAN_BUILD_TAG) {
    throw LoadFailure{"build tag",
                      fmt::format("it was built as `{}`, this gpuplan as `{}`",
                                  plugin.build_tag ? plugin.build_tag : "", GPUPLAN_BUILD_TAG),
                      rebuild_remedy};
  }
}

// The module that is there already has the right of way: what ships with gpuplan is loaded first.
LoadFailure taken(const std::string& kind, const std::string& by, const std::string& real_path) {
  if (by.empty()) {
    return {"kind", fmt::format("there is a step kind {} already, of gpuplan itself", kind), rename_remedy};
  }
  if (resolved(by) == real_path) {
    return {"kind", fmt::format("it is loaded already, as {}", by),
            "give each plugin directory once: leave away the --plugin-path or the symlink that leads to it again"};
  }
  const std::string why = fmt::format("there is a step kind {} already, from {}", kind, by);
  if (std::filesystem::path(by).parent_path() == installed_plugin_directory()) {
    return {"kind", why + ", which is part of gpuplan", rename_remedy};
  }
  return {"kind", why, "remove one of the two modules, or leave away the --plugin-path that leads to it"};
}

void check_kind(const GpuplanPlugin& plugin, const std::string& real_path, const StepKinds& kinds) {
  const std::string kind = plugin.kind ? plugin.kind : "";
  if (!Address::parse(kind + "/x")) {
    throw LoadFailure{"kind", fmt::format("`{}` is not the name of a step kind", kind),
                      "its author must name the kind in lower-case letters, digits and dashes"};
  }
  const StepKinds::Entry* const present = kinds.find_entry(kind);
  if (present != nullptr) throw taken(kind, present->source.path, real_path);
}

// Runs `call`, which calls `function` of the module; what it throws becomes a failure of `stage`.
template <typename Call>
auto contained(const char* stage, std::string_view function, const Call& call) {
  const std::string remedy = fmt::format("its author must make {}() throw nothing", function);
  try {
    return call();
  } catch (const std::exception& error) {
    throw LoadFailure{stage, fmt::format("{}() threw an exception: {}", function, error.what()), remedy};
  } catch (...) {
    throw LoadFailure{stage, fmt::format("{}() threw something that is not a std::exception", function), remedy};
  }
}

std::shared_ptr<const StepKind> create_kind(const GpuplanPlugin& plugin) {
  if (!plugin.create) throw LoadFailure{"create", "its descriptor has no create function", descriptor_remedy};
  std::shared_ptr<const StepKind> kind =
      contained("create", "create", [&] { return std::shared_ptr<const StepKind>(plugin.create()); });
  if (!kind) {
    throw LoadFailure{"create", "create() returned a null pointer",
                      "its author must make create() return a new step kind"};
  }
  const std::string name = contained("create", "kind", [&] { return std::string(kind->kind()); });
  if (name == plugin.kind) return kind;
  throw LoadFailure{"create",
                    fmt::format("its step kind says that it is `{}`, its descriptor says `{}`", name, plugin.kind),
                    "its author must give GPUPLAN_PLUGIN(…) the name that StepKind::kind() returns"};
}

// From here on the engine relies on the schema: it reads it where nothing can fail any more.
void check_schema(const StepKind& kind) {
  const Schema schema = contained("schema", "schema", [&] { return kind.schema(); });
  std::set<std::string> names;
  for (const AttributeSchema& attribute : schema) {
    std::string wrong;
    if (attribute.name.empty()) wrong = "has an attribute without a name";
    else if (!names.insert(attribute.name).second) wrong = fmt::format("has the attribute `{}` twice", attribute.name);
    else if (attribute.exclusive && attribute.type != ValueType::list) {
      wrong = fmt::format("calls `{}` exclusive, which only a list can be", attribute.name);
    }
    if (!wrong.empty()) throw LoadFailure{"schema", "its schema " + wrong, "its author must correct schema()"};
  }
}

void load_module(const std::string& path, StepKinds& kinds) {
  const std::string real_path = trusted_place(path);
  const GpuplanPlugin& plugin = descriptor_of(open_module(real_path));
  check_descriptor(plugin);
  check_kind(plugin, real_path, kinds);
  std::shared_ptr<const StepKind> kind = create_kind(plugin);
  check_schema(*kind);
  kinds.add(std::move(kind), {path, plugin.summary ? plugin.summary : "", plugin.build_tag});
}

// The modules in a directory, in name order.
std::vector<std::string> modules_in(const std::string& directory) {
  std::vector<std::string> paths;
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  if (error) throw LoadFailure{"place", words_for_errno(error.value()),
                               "install program and step kinds together with `cmake --install`, or check --plugin-path"};
  for (const auto& entry : entries) {
    if (entry.path().extension() == ".so") paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

void report(Diagnostics& diagnostics, std::string_view what, const std::string& path, const LoadFailure& failure) {
  Diagnostic diagnostic;
  diagnostic.summary = fmt::format("{} {} was not loaded (stage: {})", what, printable(path), failure.stage);
  diagnostic.why = failure.reason;
  diagnostic.remedy = failure.remedy;
  diagnostics.add(std::move(diagnostic));
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

void load_plugins(const std::vector<std::string>& directories, StepKinds& kinds, Diagnostics& diagnostics) {
  for (const std::string& directory : directories) {
    std::vector<std::string> modules;
    try {
      trusted_place(directory);
      modules = modules_in(directory);
    } catch (const LoadFailure& failure) {
      report(diagnostics, "plugin directory", directory, failure);
    }
    for (const std::string& module : modules) {
      try {
        load_module(module, kinds);
      } catch (const LoadFailure& failure) {
        report(diagnostics, "plugin module", module, failure);
      }
    }
  }
}

std::string installed_plugin_directory() {
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string prefix = program.parent_path().parent_path().string();
  // The library directories that CMake's GNUInstallDirs chooses between.
  for (const char* library : {"/lib", "/lib64", "/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu"}) {
    std::string directory = prefix + library + "/gpuplan/plugins";
    if (is_directory(directory)) return directory;
  }
  return prefix + "/lib/gpuplan/plugins";
}

}  // namespace gpuplan
