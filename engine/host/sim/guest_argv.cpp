#include "host/sim/guest_argv.h"

#include <fmt/format.h>

#include <algorithm>

namespace gpuplan::sim {

bool ParsedArgv::has(std::string_view flag) const {
  const auto found = flags.find(flag);
  return found != flags.end() && found->second.back() != "false";
}

std::string ParsedArgv::value(std::string_view flag, std::string_view fallback) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::string(fallback) : found->second.back();
}

namespace {

class ArgvReader {
 public:
  ArgvReader(const std::vector<std::string>& argv, std::size_t first, const std::vector<Flag>& flags)
      : argv_(argv), next_(first), flags_(flags) {}

  ParsedArgv read() {
    bool only_words = false;
    while (next_ < argv_.size() && out_.error.empty()) {
      const std::string word = argv_[next_++];
      if (only_words || word.size() < 2 || word[0] != '-') {
        out_.words.push_back(word);
      } else if (word == "--") {
        only_words = true;
      } else if (word[1] == '-') {
        long_flag(word.substr(2));
      } else {
        short_flags(word.substr(1));
      }
    }
    return std::move(out_);
  }

 private:
  void long_flag(const std::string& text) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const auto flag = std::find_if(flags_.begin(), flags_.end(), [&](const Flag& item) { return item.name == name; });
    if (flag == flags_.end()) {
      out_.error = "unknown flag: --" + name;
    } else if (equals != std::string::npos) {
      set(*flag, text.substr(equals + 1));
    } else {
      set_from_next(*flag, "--" + name);
    }
  }

  void short_flags(const std::string& text) {
    for (std::size_t i = 0; i < text.size() && out_.error.empty(); ++i) {
      const auto flag =
          std::find_if(flags_.begin(), flags_.end(), [&](const Flag& item) { return item.letter == text[i]; });
      if (flag == flags_.end()) {
        out_.error = fmt::format("unknown shorthand flag: '{}' in -{}", text[i], text.substr(i));
      } else if (!flag->takes_value) {
        set(*flag, "true");
      } else if (i + 1 < text.size()) {
        set(*flag, text.substr(text[i + 1] == '=' ? i + 2 : i + 1));
        return;
      } else {
        set_from_next(*flag, fmt::format("'{}' in -{}", text[i], text));
      }
    }
  }

  void set_from_next(const Flag& flag, const std::string& as_written) {
    if (!flag.takes_value) {
      set(flag, "true");
    } else if (next_ < argv_.size()) {
      set(flag, argv_[next_++]);
    } else {
      out_.error = "flag needs an argument: " + as_written;
    }
  }

  void set(const Flag& flag, std::string value) { out_.flags[std::string(flag.name)].push_back(std::move(value)); }

  const std::vector<std::string>& argv_;
  std::size_t next_;
  const std::vector<Flag>& flags_;
  ParsedArgv out_;
};

}  // namespace

ParsedArgv parse_argv(const std::vector<std::string>& argv, std::size_t first, const std::vector<Flag>& flags) {
  return ArgvReader(argv, first, flags).read();
}

}  // namespace gpuplan::sim
