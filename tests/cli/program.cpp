#include "program.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "support/catch.h"
#include "support/run_program.h"

namespace cli {
namespace {

namespace fs = std::filesystem;

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (std::size_t at = 0; !what.empty() && (at = text.find(what, at)) != std::string::npos; at += by.size()) {
    text.replace(at, what.size(), by);
  }
}

std::string machine_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Place::Place() {
  std::string pattern = (fs::temp_directory_path() / "gpuplan-cli-XXXXXX").string();
  REQUIRE(mkdtemp(pattern.data()) != nullptr);
  directory_ = pattern;
  std::string model = read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/h100-sxm8.yaml");
  model = std::regex_replace(model, std::regex("(^|\n)clock_speed:[^\n]*"), "$1");
  write("h100-sxm8.yaml", model + "\nclock_speed: 0\n");
}

Place::~Place() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

std::string Place::current_model() const {
  for (const auto& entry : std::filesystem::directory_iterator(state_dir() + "/sim")) {
    if (entry.path().extension() == ".yaml") return entry.path();
  }
  return {};
}

std::string Place::write(const std::string& name, const std::string& content) const {
  const std::string path = directory_ + '/' + name;
  std::ofstream(path, std::ios::binary) << content;
  return path;
}

Result Place::run(const std::vector<std::string>& words) const {
  const std::string out = directory_ + "/stdout";
  const std::string err = directory_ + "/stderr";
  Result result;
  result.words = words;
  result.exit_code = run_program(words, state_dir(), out, err);
  result.out = read_file(out);
  result.err = read_file(err);
  return result;
}

Result Place::run_sim(std::vector<std::string> words) const {
  for (const std::string& word : {std::string("--host"), "sim:" + host(), std::string("--parallelism"), std::string("1")}) {
    words.push_back(word);
  }
  return run(words);
}

std::string Place::normalized(std::string text) const {
  replace_all(text, state_dir(), "STATE");
  replace_all(text, directory_, "PLACE");
  replace_all(text, fs::path(GPUPLAN_PROGRAM).parent_path().parent_path().string(), "BUILD");
  replace_all(text, GPUPLAN_SOURCE_DIR, "SOURCE");
  replace_all(text, " on " + machine_name() + " ", " on MACHINE ");
  static const std::vector<std::pair<std::regex, std::string>> rules = {
      {std::regex("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} UTC"), "DATE"},
      {std::regex("\\b[0-9a-f]{64}\\b"), "SHA256"},
      {std::regex("\\b([0-9]+h [0-9]{2}m|[0-9]+m [0-9]{2}s|[0-9]+(\\.[0-9])? s\\b)"), "TIME"},
      {std::regex(" +TIME"), " TIME"},
      {std::regex("TIME +"), "TIME "},
      {std::regex("\\bpid [0-9]+ on MACHINE"), "pid N on MACHINE"},
      {std::regex("build tag: [^\n]*"), "build tag: TAG"},
  };
  for (const auto& [pattern, name] : rules) text = std::regex_replace(text, pattern, name);
  return text;
}

std::string Place::transcript(const Result& result) const {
  std::string text = "$ gpuplan";
  for (const std::string& word : result.words) text += ' ' + word;
  text += "\n--- exit " + std::to_string(result.exit_code);
  text += "\n--- stdout\n" + result.out + "--- stderr\n" + result.err;
  return normalized(text);
}

void Place::expect_golden(const std::string& name, const Result& result) const {
  expect_golden_text("cli/" + name, transcript(result));
}

void expect_golden_text(const std::string& name, const std::string& text) {
  const std::string path = std::string(GPUPLAN_SOURCE_DIR) + "/tests/golden/" + name + ".txt";
  const char* accept = std::getenv("GPUPLAN_ACCEPT");
  if (accept != nullptr && std::string(accept) == "1") {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  INFO("golden file " << path << " (GPUPLAN_ACCEPT=1 refreshes it)");
  CHECK(text == read_file(path));
}

}  // namespace cli
