#include "spec/libvirt_uri.h"

#include "spec/sections.h"

namespace gpuplan {
namespace {

bool take(std::string_view& text, std::string_view start) {
  if (text.substr(0, start.size()) != start) return false;
  text.remove_prefix(start.size());
  return true;
}

// /a/b: no character that stands for another in a URI.
bool is_plain_path(std::string_view path) {
  return consists_of(path, "/-_.") && path.front() == '/' && path.back() != '/' && path.find("//") == path.npos;
}

}  // namespace

bool is_local_libvirt(std::string_view uri) {
  if (uri == "test:///default") return true;
  if (!take(uri, "qemu:///") && !take(uri, "qemu+unix:///")) return false;
  if (!take(uri, "system") && !take(uri, "session")) return false;
  return uri.empty() || (take(uri, "?socket=") && is_plain_path(uri));
}

}  // namespace gpuplan
