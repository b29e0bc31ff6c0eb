// The real `gpuplan validate` under attack: each spec of the corpus and each generated one is answered as
// expected, soon, with little memory, and without a control character. GPUPLAN_ACCEPT=1 rewrites the answers
// to generated specs; those to stored ones are rewritten by unit_spec.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "generated_specs.h"
#include "measured_run.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace {

const std::string corpus = std::string(GPUPLAN_SOURCE_DIR) + "/tests/corpus/spec";
const std::string generated_answers = std::string(GPUPLAN_SOURCE_DIR) + "/tests/corpus/spec-generated";

// The promise is one second and 200 MiB for what is installed, a Release build, on a machine with nothing else to do;
// so processor time is measured. A Debug build is given five
// times as long; sanitizers twenty times, and as much memory as their shadows take.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr double most_seconds = 20;
constexpr double most_mebibytes = 0;
#elif defined(NDEBUG)
constexpr double most_seconds = 1;
constexpr double most_mebibytes = 200;
#else
constexpr double most_seconds = 5;
constexpr double most_mebibytes = 200;
#endif
// Time is the program's only if the machine has some for it: the best of three counts.
constexpr int attempts = 3;

// What terminals obey or are misled by: C0 (but for line ends and tabs), DEL, C1, bidirectional overrides,
// and bytes that are not UTF-8 at all. Returns the offset of the first; npos if there is none.
std::size_t unsafe_for_terminals(const std::string& text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned first = byte(i);
    const std::size_t size = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0x20 && first != '\n' && first != '\t') return i;
    if (first == 0x7F || (first >= 0x80 && first < 0xC2) || first > 0xF4) return i;
    for (std::size_t k = 1; k < size; ++k) {
      if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return i;
    }
    if (first == 0xC2 && byte(i + 1) < 0xA0) return i;
    const bool override = byte(i + 2) >= 0xAA && byte(i + 2) <= 0xAE;
    const bool isolate = byte(i + 2) >= 0xA6 && byte(i + 2) <= 0xA9;
    if (first == 0xE2 && ((byte(i + 1) == 0x80 && override) || (byte(i + 1) == 0x81 && isolate))) return i;
    i += size;
  }
  return std::string::npos;
}

struct Expectation {
  int exit_code = 1;
  std::string answer;  // on stderr
};

// What a stored answer says about the real program: its problems, without the description of a valid spec.
Expectation expectation(const std::string& stored) {
  constexpr std::string_view description = "cluster ";
  const bool only_description = stored.rfind(description, 0) == 0;
  const std::size_t end = only_description ? 0 : stored.find("\n" + std::string(description));
  if (end == std::string::npos) return {1, stored};
  return {0, only_description ? "" : stored.substr(0, end + 1)};
}

MeasuredRun validate(const std::string& directory, const std::string& file, const std::string& scratch) {
  MeasuredRun best = measured_run({"validate", file}, directory, scratch);
  for (int i = 1; i < attempts && best.seconds >= most_seconds; ++i) {
    const MeasuredRun next = measured_run({"validate", file}, directory, scratch);
    if (next.seconds < best.seconds) best = next;
  }
  return best;
}

void check(const MeasuredRun& run, const std::string& file, const Expectation& expected) {
  CHECK(run.exit_code == expected.exit_code);
  CHECK(run.err == expected.answer);
  if (expected.exit_code == 0) {
    CHECK(run.out.rfind(file + ": valid: ", 0) == 0);
  } else {
    CHECK(run.out.empty());
    CHECK(run.err.rfind(file + ":", 0) == 0);
    CHECK_THAT(run.err, contains(": error: "));
  }
  CHECK(unsafe_for_terminals(run.out + run.err) == std::string::npos);
  CHECK(run.seconds < most_seconds);
  if (most_mebibytes > 0) CHECK(run.peak_mebibytes < most_mebibytes);
}

}  // namespace

TEST_CASE("each spec of the corpus is answered by the program as expected") {
  const TemporaryDirectory scratch;
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    if (entry.path().extension() != ".yaml") continue;
    const std::string file = entry.path().filename().string();
    INFO(file);
    const std::string before = read_file(entry.path().string());
    check(validate(corpus, file, scratch.path()), file,
          expectation(read_file(corpus + "/" + entry.path().stem().string() + ".expected")));
    CHECK(read_file(entry.path().string()) == before);
    ++count;
  }
  CHECK(count >= 130);
  CHECK(access((scratch / "state").c_str(), F_OK) != 0);
}

TEST_CASE("each generated spec is answered by the program as expected") {
  const TemporaryDirectory scratch;
  const bool accept = std::getenv("GPUPLAN_ACCEPT") != nullptr;
  for (const GeneratedSpec& spec : generated_specs()) {
    const std::string file = spec.name + ".yaml";
    INFO(file);
    {
      std::ofstream out(scratch / file, std::ios::binary);
      spec.write(out);
      REQUIRE(out.flush());
    }
    const MeasuredRun run = validate(scratch.path(), file, scratch.path());
    if (std::getenv("GPUPLAN_SHOW_MEASURES") != nullptr) {
      WARN(file << ": " << run.seconds << " s, " << run.peak_mebibytes << " MiB");
    }
    const std::string golden = generated_answers + "/" + spec.name + ".expected";
    if (accept) std::ofstream(golden, std::ios::binary) << run.err;
    check(run, file, {1, read_file(golden)});
    CHECK(run.err.size() < 100'000);
    std::filesystem::remove(scratch / file);
  }
  CHECK(access((scratch / "state").c_str(), F_OK) != 0);
}

TEST_CASE("no generated answer is left without its spec") {
  std::set<std::string> names;
  for (const GeneratedSpec& spec : generated_specs()) CHECK(names.insert(spec.name).second);
  for (const auto& entry : std::filesystem::directory_iterator(generated_answers)) {
    CHECK(names.count(entry.path().stem().string()) == 1);
  }
}

TEST_CASE("what terminals must not see is found") {
  CHECK(unsafe_for_terminals("plain\ttext\n é€😀 “…” −") == std::string::npos);
  for (const char* text :
       {"a\x1b[m", "a\x07", "a\r\n", "a\x7f", "a\xc2\x9b", "a\x9b", "a\xe9", "a\u202e", "a\u2066", "a\xc2"}) {
    CHECK(unsafe_for_terminals(text) == 1);
  }
}
