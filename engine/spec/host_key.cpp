#include "spec/host_key.h"

#include "spec/sections.h"

namespace gpuplan {

bool is_ed25519_host_key(std::string_view text) {
  constexpr std::string_view start = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI";
  constexpr std::size_t whole = 80;
  return text.size() == whole && text.substr(0, start.size()) == start && consists_of(text.substr(start.size()), "+/");
}

}  // namespace gpuplan
