// What must stay private: the state directory, secrets of the cluster, the memory of the program.
#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <regex>

#include "program.h"
#include "support/catch.h"
#include "support/run_program.h"

namespace fs = std::filesystem;

TEST_CASE("a state directory that others can write, or that is another user's, is refused") {
  const cli::Place place;
  REQUIRE(place.run_sim({"apply", "specs/no-gpu.yaml", "--yes"}).exit_code == 0);
  const std::string where = GENERATE("", "/clusters", "/clusters/gpu");
  const std::string path = place.state_dir() + where;
  std::string expected;
  bool foreign = false;
  SECTION("writable by others") {
    REQUIRE(chmod(path.c_str(), 0707) == 0);
    expected = "can be written by others (mode 0707)";
  }
  SECTION("of another user") {
    if (geteuid() != 0) return;
    foreign = true;
    REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
    expected = "belongs to user id 65534";
  }
  for (const std::vector<std::string>& words : {std::vector<std::string>{"history"},
                                                {"plan", "specs/no-gpu.yaml"},
                                                {"apply", "specs/no-gpu.yaml", "--yes"},
                                                {"destroy", "--yes"}}) {
    const cli::Result result = place.run_sim(words);
    INFO(words.front() << " with " << path);
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, contains("the state directory " + path + ' ' + expected));
    CHECK_THAT(result.err, contains(foreign ? "run gpuplan as that user" : "chmod 0700"));
  }
}

TEST_CASE("root refuses a state directory that lies below one that others can write") {
  if (geteuid() != 0) return;
  const cli::Place place;
  const std::string parent = fs::path(place.state_dir()).parent_path();
  const bool made = GENERATE(false, true);
  if (made) REQUIRE(place.run_sim({"apply", "specs/no-gpu.yaml", "--yes"}).exit_code == 0);
  std::string said = parent, next = "chmod go-w " + parent;
  SECTION("writable by others") {
    REQUIRE(chmod(parent.c_str(), 0777) == 0);
    said += ", which leads to the state directory " + place.state_dir() + ", can be written by others (mode 0777)";
  }
  SECTION("of another user, even a sticky one") {
    REQUIRE(chmod(parent.c_str(), 01777) == 0);
    REQUIRE(chown(parent.c_str(), 65534, 65534) == 0);
    said += ", which leads to the state directory " + place.state_dir() + ", belongs to user id 65534";
    next = "chown -h root:root " + parent;
  }
  for (const std::vector<std::string>& words : {std::vector<std::string>{"plan", "specs/no-gpu.yaml"},
                                                {"apply", "specs/no-gpu.yaml", "--yes"}}) {
    const cli::Result result = place.run_sim(words);
    INFO(words.front());
    CHECK(result.exit_code == 1);
    CHECK_THAT(result.err, contains(said));
    CHECK_THAT(result.err, contains(next));
  }
  CHECK(fs::exists(place.state_dir() + "/clusters") == made);
}

TEST_CASE("root's state directory may lie below a sticky directory of root's") {
  if (geteuid() != 0) return;
  const cli::Place place;
  REQUIRE(chmod(fs::path(place.state_dir()).parent_path().c_str(), 01777) == 0);
  CHECK(place.run_sim({"apply", "specs/no-gpu.yaml", "--yes"}).exit_code == 0);
  CHECK(place.run_sim({"history"}).exit_code == 0);
}

// Tokens of kubeadm and private keys of gpuplan's own are in no output and in no file but the keys themselves.
TEST_CASE("no secret is in what gpuplan prints, journals, logs or saves") {
  const cli::Place place;
  const std::string plan = place.write("today.plan", "");
  std::string said;
  for (const std::vector<std::string>& words : {std::vector<std::string>{"plan", cli::h100_spec, "--out", plan},
                                                {"apply", plan, "--yes", "--json"},
                                                {"show", "1", "--json"},
                                                {"history", "--json"},
                                                {"status", "--json"}}) {
    const cli::Result result = place.run_sim(words);
    INFO(result.err);
    REQUIRE(result.exit_code == 0);
    said += result.out + result.err;
  }
  said += cli::read_file(plan);
  int files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(place.state_dir() + "/clusters")) {
    const std::string path = entry.path();
    const bool is_secret = path.find("/ssh/") != std::string::npos || path.find("/journal.db-undo/") != std::string::npos ||
                           entry.path().filename() == "kubeconfig";
    if (!entry.is_regular_file()) continue;
    struct stat facts {};
    REQUIRE(stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 077U) == 0);
    if (!is_secret) said += cli::read_file(path);
    ++files;
  }
  CHECK(files >= 2);
  const std::regex token("(^|[^a-z0-9])[a-z0-9]{6}\\.[a-z0-9]{16}([^a-z0-9]|$)");
  std::smatch found;
  const bool has_token = std::regex_search(said, found, token);
  INFO((has_token ? found.str() : ""));
  CHECK_FALSE(has_token);
  for (const char* words : {"PRIVATE KEY", "client-key-data"}) CHECK(said.find(words) == std::string::npos);
}

// libvirt, in the program itself, would write down there what it does.
TEST_CASE("the user's environment does not steer the program's libraries") {
  const cli::Place place;
  const std::string log = place.state_dir() + "-libvirt.log";
  setenv("LIBVIRT_DEBUG", "1", 1);
  setenv("LIBVIRT_LOG_OUTPUTS", ("1:file:" + log).c_str(), 1);
  const cli::Result result = place.run({"discover", "--json"});
  unsetenv("LIBVIRT_DEBUG");
  unsetenv("LIBVIRT_LOG_OUTPUTS");
  CHECK(result.exit_code == 0);
  CHECK_FALSE(fs::exists(log));
}

namespace {

// An apply that goes on for a while.
struct LongRun {
  explicit LongRun(uid_t user = 0) {
    const std::string out = place.write("out", ""), err = place.write("err", "");
    const std::string parent = fs::path(place.state_dir()).parent_path();
    if (user != 0) REQUIRE(chown(parent.c_str(), user, user) == 0);
    program = start_program({"apply", cli::h100_spec, "--yes", "--host", cli::h100_host}, place.state_dir(), out, err, user);
    REQUIRE(program > 0);
  }
  ~LongRun() {
    kill(program, SIGKILL);
    end_of_program(program);
  }
  LongRun(const LongRun&) = delete;
  LongRun& operator=(const LongRun&) = delete;

  // Looks again and again, until the program has come so far.
  template <typename Condition>
  bool soon(const Condition& condition) const {
    for (int i = 0; i < 600; ++i) {
      if (condition()) return true;
      usleep(20'000);
    }
    return false;
  }
  // From then on it is the program, and no longer what was forked for it.
  bool has_no_core_file() const {
    static const std::regex none("Max core file size +0 +0 ");
    return soon([&] { return std::regex_search(cli::read_file(file("limits")), none); });
  }
  std::string file(const std::string& name) const { return "/proc/" + std::to_string(program) + "/" + name; }

  const cli::Place place;
  pid_t program = 0;
};

}  // namespace

TEST_CASE("the program leaves no core file") {
  const LongRun run;
  CHECK(run.has_no_core_file());
}

#ifndef __SANITIZE_ADDRESS__
// Of a process that is not dumpable /proc/PID is root's, whoever runs it, and its user can neither trace it nor read its
// memory: proc(5), ptrace(2).
TEST_CASE("the program is not dumpable: its user cannot look into its memory") {
  constexpr uid_t nobody = 65534;
  const bool root = geteuid() == 0;
  const LongRun run(root ? nobody : 0);
  const auto owner = [&] {
    struct stat facts {};
    return stat(run.file("environ").c_str(), &facts) == 0 ? facts.st_uid : nobody;
  };
  REQUIRE(run.has_no_core_file());
  REQUIRE(run.soon([&] { return owner() == 0; }));
  const pid_t user = fork();
  REQUIRE(user >= 0);
  if (user == 0) {
    if (root && (setgid(nobody) != 0 || setuid(nobody) != 0)) _exit(1);
    const bool refused = ptrace(PTRACE_SEIZE, run.program, nullptr, nullptr) != 0 && errno == EPERM;
    _exit(refused && open(run.file("mem").c_str(), O_RDONLY) < 0 && errno == EACCES ? 0 : 2);
  }
  CHECK(end_of_program(user) == 0);
  CHECK(waitpid(run.program, nullptr, WNOHANG) == 0);  // it still runs: nobody may look into what has ended either
}
#endif
