// Journals that were damaged, swapped or opened to others: every verb says so, none touches the server.
#include <fmt/format.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "apply/journal_database.h"
#include "json/json.h"
#include "program.h"
#include "support/catch.h"
#include "support/model_essence.h"

namespace fs = std::filesystem;

namespace {

// A cluster whose last run failed in the middle, so that each of the verbs would have something to do.
class HalfMade {
 public:
  HalfMade() {
    REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes", "--fault", "call:9:fail"}).exit_code == 3);
    bytes = cli::read_file(journal());
    server = cli::read_file(place.current_model());
    REQUIRE(bytes.size() > 16384);
  }

  std::string journal() const { return place.state_dir() + "/clusters/gpu/journal.db"; }
  void put(const std::string& content) const {
    for (const char* end : {"-wal", "-shm"}) fs::remove(journal() + end);
    std::ofstream(journal(), std::ios::binary | std::ios::trunc) << content;
  }
  bool server_is_untouched() const { return cli::read_file(place.current_model()) == server; }

  // Every verb refuses with exit code 1 and these words, and the server stays as it is.
  void expect_refusal(const std::string& words) const {
    const std::vector<std::vector<std::string>> verbs = {{"history"},
                                                         {"status"},
                                                         {"plan", cli::h100_spec},
                                                         {"apply", cli::h100_spec, "--yes"},
                                                         {"rollback", "--yes"},
                                                         {"destroy", "--yes"}};
    for (const std::vector<std::string>& verb : verbs) expect_words(run(verb), words);
    CHECK(server_is_untouched());
  }
  // show ends with 1 and these words, too. Returns what it prints.
  gpuplan::Json show(const std::string& words, const std::string& number = "1") const {
    const cli::Result shown = run({"show", number, "--json"});
    expect_words(shown, words);
    CHECK(server_is_untouched());
    return gpuplan::parse_json(shown.out, "show");
  }
  // The same, and it prints the run and these words all the same.
  gpuplan::Json expect_run_shown(const std::string& words) const {
    gpuplan::Json document = show(words);
    CHECK(document["run"]["id"] == 1);
    CHECK(document["run"]["status"] == "failed");
    CHECK_FALSE(document["changes"].empty());
    CHECK_THAT(document["damage"]["reason"].get<std::string>(), contains(words));
    CHECK_THAT(run({"show", "1"}).err, contains("what is shown is what can still be read; it may be wrong"));
    return document;
  }

  cli::Place place;
  std::string bytes;   // of the journal
  std::string server;  // the model, as the failed run left it

 private:
  cli::Result run(std::vector<std::string> verb) const {
    verb.insert(verb.end(), {"--cluster", "gpu"});
    return place.run_sim(verb);
  }
  void expect_words(const cli::Result& result, const std::string& words) const {
    INFO(result.words.front() << ": " << result.err);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, contains(words));
    CHECK_THAT(result.err, contains(journal()));
  }
};

}  // namespace

TEST_CASE("a journal with a flipped bit is refused by every verb, and show prints what is left") {
  const HalfMade cluster;
  std::string flipped = cluster.bytes;
  const std::size_t at = flipped.rfind("\"driver\":\"nvidia\"");
  REQUIRE(at != std::string::npos);
  flipped[at + 11] ^= 0x20;
  cluster.put(flipped);
  cluster.expect_refusal(" is not as it was written); `gpuplan show RUN --json --host sim:");
  CHECK(cluster.expect_run_shown("is damaged")["changes"].size() == 19);
}

TEST_CASE("a journal that was cut short is refused by every verb, and show prints what its pages have") {
  const HalfMade cluster;
  constexpr std::size_t page = 4096;
  const std::size_t pages = cluster.bytes.size() / page;
  std::string lost;
  for (const std::size_t left : {pages / 2, pages * 3 / 4, pages - 1}) {
    INFO(left << " of " << pages << " pages");
    cluster.put(cluster.bytes.substr(0, left * page));
    cluster.expect_refusal("is damaged");
    const gpuplan::Json document = cluster.expect_run_shown("is damaged");
    CHECK((document["changes"].size() == 19 || !document["damage"]["losses"].empty()));
    lost += document["damage"]["losses"].dump();
    CHECK_THAT(cluster.show("is damaged", "2").dump(), contains("cluster gpu has no run 2"));
  }
  CHECK_THAT(lost, contains("has lost its changes of run 1 behind the first "));
}

TEST_CASE("a journal of a newer gpuplan is refused by every verb, and show prints it") {
  const HalfMade cluster;
  std::string newer = cluster.bytes;
  newer[63] = 99;  // user_version: https://www.sqlite.org/fileformat2.html#the_database_header
  cluster.put(newer);
  cluster.expect_refusal("has format 99, and this gpuplan knows format");
  CHECK(cluster.expect_run_shown("has format 99")["changes"].size() == 19);
}

TEST_CASE("a journal of another cluster is refused by every verb, and show prints it") {
  HalfMade cluster;
  const std::string lab = cluster.place.write("lab.yaml", "cluster: lab\n" + cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/no-gpu.yaml"));
  REQUIRE(cluster.place.run_sim({"apply", lab, "--yes", "--fault", "call:1:fail"}).exit_code == 3);
  cluster.put(cli::read_file(cluster.place.state_dir() + "/clusters/lab/journal.db"));
  cluster.server = cli::read_file(cluster.place.current_model());
  cluster.expect_refusal("belongs to cluster lab, not to gpu");
  CHECK_THAT(cluster.expect_run_shown("belongs to cluster lab, not to gpu")["run"]["argv"].get<std::string>(), contains(lab));
}

TEST_CASE("a journal that others can write, or that is a symlink, is refused by every verb") {
  const HalfMade cluster;
  SECTION("writable by others, which show prints") {
    REQUIRE(chmod(cluster.journal().c_str(), 0602) == 0);
    cluster.expect_refusal("can be written by other users (mode 0602)");
    CHECK(cluster.expect_run_shown("can be written by other users")["changes"].size() == 19);
    for (const char* end : {"-wal", "-shm"}) CHECK_FALSE(fs::exists(cluster.journal() + end));
  }
  SECTION("a symlink") {
    fs::rename(cluster.journal(), cluster.journal() + ".real");
    fs::create_symlink(cluster.journal() + ".real", cluster.journal());
    cluster.expect_refusal("is a symbolic link");
    CHECK_FALSE(cluster.show("is a symbolic link").contains("run"));
  }
}

TEST_CASE("a journal whose undo data is not as it was is not rolled back, and show prints all but that") {
  const HalfMade cluster;
  const std::string file = cluster.journal() + "-undo/run-1-change-0.json";
  const std::string named = fmt::format(
      "UPDATE changes SET captured = 'file run-1-change-0.json {}' WHERE position = 0", std::string(64, 'a'));
  gpuplan::Database(cluster.journal(), "the journal", gpuplan::DatabaseMode::write).execute(named.c_str());
  std::string expected;
  SECTION("missing") { expected = file + " cannot be read: "; }
  SECTION("changed") {
    fs::create_directory(cluster.journal() + "-undo");
    std::ofstream(file) << "{}";
    expected = file + " is not what gpuplan wrote";
  }
  const cli::Result undone = cluster.place.run_sim({"rollback", "--yes"});
  CHECK(undone.exit_code == 1);
  CHECK_THAT(undone.err, contains(expected));
  CHECK(cluster.expect_run_shown(expected)["changes"].size() == 19);
}

// Any byte: a run is refused, or what flipped is a byte that nobody reads, and rollback restores the server.
TEST_CASE("no flipped bit of a journal leads a rollback astray") {
  const HalfMade cluster;
  const cli::Place fresh;
  const std::string before = model_essence(fresh.host());
  const std::string model = cluster.place.current_model();
  int refused = 0, restored = 0;
  const std::size_t stride = cluster.bytes.size() / 40 + 1;
  for (std::size_t at = 7, turn = 0; at < cluster.bytes.size(); at += stride, ++turn) {
    std::string flipped = cluster.bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (turn % 8)));
    cluster.put(flipped);
    INFO("byte " << at << ", bit " << turn % 8);
    const cli::Result result = cluster.place.run_sim({"rollback", "--yes"});
    if (result.exit_code == 0) {
      CHECK(model_essence(model) == before);
      std::ofstream(model, std::ios::binary | std::ios::trunc) << cluster.server;
      ++restored;
      continue;
    }
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, contains(cluster.journal()));
    CHECK(cluster.server_is_untouched());
    const int shown = cluster.place.run_sim({"show", "1", "--json"}).exit_code;
    CHECK(shown == 1);
    ++refused;
  }
  CAPTURE(refused, restored);
  CHECK(refused > 10);
}
