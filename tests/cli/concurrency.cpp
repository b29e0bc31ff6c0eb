// Two runs at once, runs that die, and signals from outside: one of them works, the other says why not, nothing is lost.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <memory>
#include <thread>

#include "program.h"
#include "support/catch.h"
#include "support/run_program.h"

namespace {

std::string with_clock(std::string model, const std::string& from, const std::string& to) {
  const std::size_t at = model.find(from);
  REQUIRE(at != std::string::npos);
  return model.replace(at, from.size(), to);
}

// A run at work, on a server whose clock is slow enough for other commands to meet it.
class Working {
 public:
  Working() {
    const std::string model = cli::read_file(std::string(GPUPLAN_SOURCE_DIR) + "/specs/hosts/h100-sxm8.yaml");
    host = place.write("server.yaml", with_clock(model, "clock_speed: 60", "clock_speed: 6"));
    start({"apply", cli::h100_spec, "--yes"}, "vm-define/gpu-control-plane: create");
  }
  // A rollback of run 1, which failed; one of its calls to the server takes ten seconds.
  static std::unique_ptr<Working> rollback() {
    auto working = std::unique_ptr<Working>(new Working(Idle{}));
    const cli::Place& place = working->place;
    working->host = place.host();
    REQUIRE(working->run({"apply", cli::h100_spec, "--yes", "--fault", "gpu-operator/gpu-operator:fail"}).exit_code == 3);
    const std::filesystem::path model = place.current_model();
    place.write("state/sim/" + model.filename().string(),
                with_clock(cli::read_file(model), "\"clock_speed\": 0", "\"clock_speed\": 6"));
    working->start({"rollback", "--yes", "--fault", "call:5:hang", "--parallelism", "1"}, "undo create");
    return working;
  }
  ~Working() {
    if (holder > 0) {
      kill(holder, SIGKILL);
      end_of_program(holder);
    }
  }

  cli::Result run(std::vector<std::string> words) const {
    words.insert(words.end(), {"--host", "sim:" + host});
    return place.run(words);
  }
  int end_by(int signal) {
    kill(holder, signal);
    return end_of_program(std::exchange(holder, 0));
  }
  // Rollback restores the server, of which nobody else keeps a lock.
  void expect_restored() const {
    const cli::Result undone = run({"rollback", "--yes"});
    INFO(undone.err);
    CHECK(undone.exit_code == 0);
    CHECK_THAT(undone.out, contains("resources are as they were before run 1."));
  }

  cli::Place place;
  std::string host, out;
  pid_t holder = 0;

 private:
  struct Idle {};
  explicit Working(Idle /*begins nothing*/) {}

  // It works once it has said `sign`.
  void start(std::vector<std::string> words, const std::string& sign) {
    out = place.write("holder.out", "");
    words.insert(words.end(), {"--host", "sim:" + host});
    holder = start_program(words, place.state_dir(), out, place.write("holder.err", ""));
    REQUIRE(holder > 0);
    for (int i = 0; i < 1200 && cli::read_file(out).find(sign) == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    REQUIRE_THAT(cli::read_file(out), contains(sign));
  }
};

void expect_locked(const Working& working) {
  const std::string who = fmt::format("cluster gpu is locked by pid {} on ", working.holder);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"apply", cli::h100_spec, "--yes"},
                                                {"rollback", "--yes"},
                                                {"destroy", "--yes"}}) {
    const cli::Result result = working.run(words);
    INFO(words.front());
    CHECK(result.exit_code == 4);
    CHECK_THAT(result.err, contains(who) && contains("wait until it has ended"));
  }
}

}  // namespace

TEST_CASE("while an apply works, no other run starts, and plan warns") {
  Working working;
  expect_locked(working);
  const cli::Result planned = working.run({"plan", cli::h100_spec});
  CHECK_THAT(planned.err, contains("a run is going on in cluster gpu"));
  CHECK_THAT(working.run({"history"}).out, contains("running"));
  // It was not disturbed.
  CHECK(kill(working.holder, 0) == 0);
  CHECK(working.end_by(SIGINT) == 130);
  working.expect_restored();
}

TEST_CASE("while a rollback works, no other run starts, and killed it can be begun again") {
  const auto working = Working::rollback();
  expect_locked(*working);
  CHECK_THAT(working->run({"plan", cli::h100_spec}).err, contains("a run is going on in cluster gpu"));
  CHECK(working->end_by(SIGKILL) == 137);
  working->expect_restored();
}

TEST_CASE("a killed run holds nothing") {
  Working working;
  CHECK(working.end_by(SIGKILL) == 137);
  CHECK_THAT(working.run({"history"}).out, contains("killed"));
  CHECK_THAT(working.run({"plan", cli::h100_spec}).err,
             contains("cluster gpu has an open run: 1 apply, killed") && contains(" goes on with it, `gpuplan rollback --cluster gpu"));
  working.expect_restored();
  CHECK_THAT(working.run({"plan", cli::h100_spec}).err, !contains("open run"));
}

TEST_CASE("SIGTERM and SIGHUP end a run like Ctrl-C, each with its own exit code") {
  const int signal = GENERATE(SIGTERM, SIGHUP);
  Working working;
  CHECK(working.end_by(signal) == 128 + signal);
  CHECK_THAT(cli::read_file(working.out), contains("Run 1 was interrupted"));
  CHECK_THAT(working.run({"history"}).out, contains("interrupted"));
  working.expect_restored();
}

TEST_CASE("a terminal that hangs up again and again does not cut a run short") {
  Working working;
  for (int i = 0; i < 5; ++i) kill(working.holder, SIGHUP);
  CHECK(end_of_program(std::exchange(working.holder, 0)) == 129);
  CHECK_THAT(working.run({"history"}).out, contains("interrupted"));
  working.expect_restored();
}

TEST_CASE("a run goes on to its end when nobody reads what it says any more") {
  const cli::Place place;
  const std::string pipe = place.host() + ".pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(reader >= 0);
  const pid_t program = start_program({"apply", cli::h100_spec, "--yes", "--host", cli::h100_host}, place.state_dir(), pipe,
                                      place.write("err", ""));
  REQUIRE(program > 0);
  std::string said;
  std::array<char, 512> buffer{};
  for (int i = 0; i < 1200 && said.find("vfio-bind") == std::string::npos; ++i) {
    const ssize_t count = read(reader, buffer.data(), buffer.size());
    if (count > 0)
      said.append(buffer.data(), static_cast<std::size_t>(count));
    else
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  close(reader);
  REQUIRE_THAT(said, contains("vfio-bind"));
  CHECK(end_of_program(program) == 0);
  CHECK(place.run({"plan", cli::h100_spec, "--host", cli::h100_host, "--detailed-exitcode"}).exit_code == 0);
}

TEST_CASE("a second SIGTERM ends a run at once, and it can be undone") {
  Working working;
  kill(working.holder, SIGSTOP);  // so that both are pending when it goes on
  kill(working.holder, SIGTERM);
  kill(working.holder, SIGINT);
  kill(working.holder, SIGCONT);
  const int code = end_of_program(std::exchange(working.holder, 0));
  CHECK((code == 130 || code == 143));
  working.expect_restored();
}
