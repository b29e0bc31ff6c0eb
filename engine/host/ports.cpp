#include "host/ports.h"

#include <fmt/format.h>

namespace gpuplan {

std::string join_argv(const std::vector<std::string>& argv) {
  std::string out;
  for (const std::string& word : argv) {
    if (!out.empty()) out += ' ';
    out += word;
  }
  return out;
}

std::optional<std::vector<std::string>> HypervisorReader::console(const std::string& /*domain*/) { return std::nullopt; }

std::optional<std::string> GuestReader::addresses_by_agent(const GuestTarget& /*guest*/) { return std::nullopt; }

std::optional<std::vector<std::string>> Guests::login(const GuestTarget& /*guest*/, const std::vector<std::string>& /*command*/) {
  return std::nullopt;
}

namespace {

constexpr std::size_t tail_lines = 10;
constexpr std::size_t tail_bytes = 2048;

// Ends with a line feed, if there is anything.
std::string end_of(std::string text) {
  if (text.size() > tail_bytes) {
    text.erase(0, text.size() - tail_bytes);
    if (const std::size_t line = text.find('\n'); line + 1 < text.size()) text.erase(0, line + 1);
  }
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

std::string last_lines(const std::string& text) {
  std::size_t end = text.size();
  while (end > 0 && text[end - 1] == '\n') --end;
  std::size_t begin = end;
  for (std::size_t lines = 0; begin > 0; --begin) {
    if (text[begin - 1] == '\n' && ++lines == tail_lines) break;
  }
  return text.substr(begin, end - begin);
}

}  // namespace

std::string ends_of(const CommandResult& result) { return end_of(result.output) + end_of(result.errors); }

const CommandResult& require_success(const Command& command, const CommandResult& result) {
  if (result.ok()) return result;
  const std::string tail = last_lines(result.errors.empty() ? result.output : result.errors);
  const std::string last = tail.substr(tail.rfind('\n') == std::string::npos ? 0 : tail.rfind('\n') + 1);
  const std::string words = join_argv(command.argv);
  throw HostError(HostError::Kind::failed, words,
                  fmt::format("`{}` failed with exit status {}{}{}", words, result.exit_status,
                              last.empty() ? "" : ": ", last),
                  tail);
}

}  // namespace gpuplan
