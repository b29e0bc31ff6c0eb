#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <thread>
#include <vector>

#include "host/local/run_command.h"
#include "processes.h"
#include "support/catch.h"
#include "support/host_error_of.h"
#include "support/host_files.h"
#include "support/temporary_directory.h"

using namespace gpuplan;

namespace {

CommandResult run(std::vector<std::string> argv, std::string input = {}, std::chrono::seconds limit = std::chrono::seconds(30)) {
  AbandonedChildren abandoned;
  return run_command({std::move(argv), std::move(input), limit}, abandoned);
}

CommandResult shell(const std::string& script) { return run({"sh", "-c", script}); }

}  // namespace

TEST_CASE("a command's output, errors and exit status come back") {
  const CommandResult result = shell("echo out; echo err >&2; exit 3");
  REQUIRE(result.output == "out\n");
  REQUIRE(result.errors == "err\n");
  REQUIRE(result.exit_status == 3);
  REQUIRE_FALSE(result.ok());
  REQUIRE(shell("true").ok());
}

TEST_CASE("arguments reach the command as they are") {
  const std::vector<std::string> words{"printf", "<%s>", "a b", "", "$HOME", "'\"", "*", "-"};
  REQUIRE(run(words).output == "<a b><><$HOME><'\"><*><->");
  REQUIRE(run({"true"}).ok());
  REQUIRE(run({"/bin/echo", "absolute"}).output == "absolute\n");
}

TEST_CASE("a command that a signal killed has status 128+N") {
  REQUIRE(shell("kill -KILL $$").exit_status == 128 + SIGKILL);
  REQUIRE(shell("kill -SEGV $$").exit_status == 128 + SIGSEGV);
}

TEST_CASE("standard input is given whole and then ends") {
  REQUIRE(run({"cat"}, "secret\0two"  "\nlines").output == "secret");
  REQUIRE(run({"cat"}).output.empty());
  const std::string large(3U << 20U, 'x');
  REQUIRE(run({"cat"}, large).output == large);
  // One that does not read it neither blocks nor brings SIGPIPE.
  REQUIRE(run({"true"}, large).ok());
}

TEST_CASE("much output on both streams at once does not deadlock") {
  const CommandResult result = shell("head -c 3000000 /dev/zero >&2 & head -c 3000000 /dev/zero; wait");
  REQUIRE(result.output.size() == 3'000'000);
  REQUIRE(result.errors.size() == 1U << 20U);  // the cap
}

TEST_CASE("of too much output the beginning is kept, of too many errors the end") {
  const CommandResult result = shell(
      "echo first; head -c 20000000 /dev/zero; { head -c 5000000 /dev/zero; echo last; } >&2");
  REQUIRE(result.output.size() == 16U << 20U);
  REQUIRE(result.output.substr(0, 6) == "first\n");
  REQUIRE(result.errors.size() == 1U << 20U);
  REQUIRE(result.errors.substr(result.errors.size() - 5) == "last\n");
}

TEST_CASE("a background process that keeps the output open does not keep the command from ending") {
  const CommandResult result = run({"sh", "-c", "sleep 60 & echo $!"}, {}, std::chrono::seconds(20));
  const pid_t sleeper = std::stoi(result.output);
  REQUIRE_FALSE(is_gone(sleeper));
  kill(sleeper, SIGKILL);
}

TEST_CASE("a missing command is named, with where it was looked for") {
  const HostError error = host_error_of([] { run({"gpuplan-no-such-program", "--version"}); });
  REQUIRE(error.kind() == HostError::Kind::not_found);
  REQUIRE(error.subject() == "gpuplan-no-such-program --version");
  REQUIRE(std::string(error.what()) ==
          "cannot run gpuplan-no-such-program: there is no such program in "
          "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  REQUIRE(host_error_of([] { run({"/no/such/program"}); }).kind() == HostError::Kind::not_found);
  REQUIRE(host_error_of([] { run({}); }).kind() == HostError::Kind::not_found);
}

TEST_CASE("a program that cannot be executed is an error and not an exit status") {
  const TemporaryDirectory directory;
  const std::string program = directory / "program";
  make_file(program, "#!/no/such/interpreter\n");
  REQUIRE(host_error_of([&] { run({program}); }).kind() == HostError::Kind::denied);
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const HostError error = host_error_of([&] { run({program}); });
  REQUIRE(error.kind() == HostError::Kind::not_found);
  REQUIRE(std::string(error.what()) == "cannot run " + program + ": no such file or directory");
}

TEST_CASE("a command past its time limit is killed with its group") {
  const TemporaryDirectory directory;
  const std::string pid_file = directory / "pid";
  const std::string script = "echo at work; echo in trouble >&2; sleep 60 & echo $! > " + pid_file + "; wait";
  const Command command{{"sh", "-c", script}, {}, std::chrono::seconds(1)};
  AbandonedChildren abandoned;
  const HostError error = host_error_of([&] { run_command(command, abandoned); });
  REQUIRE(error.kind() == HostError::Kind::timed_out);
  REQUIRE_THAT(error.what(), contains("did not end within 1 s and was killed"));
  REQUIRE(error.subject() == join_argv(command.argv));
  REQUIRE(error.output_tail() == "at work\nin trouble\n");
  REQUIRE(abandoned.count() == 0);
  const pid_t grandchild = std::stoi(content_of(pid_file));
  REQUIRE(comes_true([&] { return is_gone(grandchild); }));
}

TEST_CASE("a command sees a fixed environment and nothing else") {
  setenv("GPUPLAN_TEST_SECRET", "hidden", 1);
  setenv("LD_PRELOAD", "", 1);
  const std::string environment = run({"env"}).output;
  unsetenv("GPUPLAN_TEST_SECRET");
  unsetenv("LD_PRELOAD");
  REQUIRE_THAT(environment, contains("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"));
  REQUIRE_THAT(environment, contains("LC_ALL=C\n"));
  REQUIRE_THAT(environment, contains("HOME="));
  REQUIRE(std::count(environment.begin(), environment.end(), '\n') == 3);
}

TEST_CASE("a command inherits no descriptors but its three streams") {
  std::vector<int> open_ones;
  for (int i = 0; i < 200; ++i) open_ones.push_back(open("/dev/null", O_RDONLY));  // not closed on exec
  const std::string seen = run({"ls", "/proc/self/fd"}).output;
  for (const int number : open_ones) close(number);
  REQUIRE(seen == "0\n1\n2\n3\n");  // 3 is the directory that ls reads
}

TEST_CASE("a command has default signals and a session of its own") {
  std::signal(SIGPIPE, SIG_IGN);
  // Bit 12 is SIGPIPE.
  const std::string ignored = shell("grep SigIgn /proc/self/status").output;
  std::signal(SIGPIPE, SIG_DFL);
  REQUIRE(ignored == "SigIgn:\t0000000000000000\n");
  const std::string session = shell("cut -d' ' -f6 /proc/$$/stat; echo $$").output;
  REQUIRE(session.substr(0, session.find('\n') + 1) == session.substr(session.find('\n') + 1));
}

namespace {
volatile sig_atomic_t children_ended = 0;
void on_child(int) { children_ended = 1; }
}  // namespace

TEST_CASE("SIGCHLD and other children of the process are left alone") {
  struct sigaction ours {};
  struct sigaction before {};
  ours.sa_handler = on_child;
  sigaction(SIGCHLD, &ours, &before);
  const pid_t other = fork();
  if (other == 0) _exit(7);
  REQUIRE(run({"true"}).ok());
  host_error_of([] { run({"sleep", "60"}, {}, std::chrono::seconds(0)); });
  struct sigaction after {};
  sigaction(SIGCHLD, &before, &after);
  REQUIRE(after.sa_handler == on_child);
  int status = 0;
  REQUIRE(waitpid(other, &status, 0) == other);
  REQUIRE(WEXITSTATUS(status) == 7);
}

TEST_CASE("a command is reaped") {
  const pid_t ended = std::stoi(shell("echo $$").output);
  REQUIRE(waitpid(ended, nullptr, WNOHANG) == -1);
}

TEST_CASE("a command does not outlive a gpuplan that is killed") {
  const TemporaryDirectory directory;
  const std::string started = directory / "started";
  const pid_t holder = fork();
  if (holder == 0) {
    shell("echo $$ >" + started + ".new; mv " + started + ".new " + started + "; exec sleep 600");
    _exit(0);
  }
  std::string command;
  for (int i = 0; i < 400 && command.empty(); ++i) {
    std::ifstream(started) >> command;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  REQUIRE_FALSE(command.empty());
  REQUIRE(kill(holder, SIGKILL) == 0);
  REQUIRE(waitpid(holder, nullptr, 0) == holder);
  // One that nobody has reaped yet has no command line any more.
  std::string words = "sleep";
  for (int i = 0; i < 100 && !words.empty(); ++i) {
    words.clear();
    std::ifstream("/proc/" + command + "/cmdline") >> words;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK(words.empty());
}

TEST_CASE("commands run side by side") {
  std::vector<std::thread> threads;
  std::vector<std::string> outputs(8);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    threads.emplace_back([&outputs, i] {
      for (int n = 0; n < 10; ++n) outputs[i] += run({"cat"}, std::to_string(i)).output;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < outputs.size(); ++i) REQUIRE(outputs[i] == std::string(10, static_cast<char>('0' + i)));
}

TEST_CASE("waiting for a child ends at the deadline or with the child") {
  Pipe pipe = make_pipe();
  const pid_t child = fork();
  if (child == 0) {
    pipe.write_end.close();
    char byte = 0;
    _exit(read(pipe.read_end.get(), &byte, 1) == 0 ? 5 : 6);
  }
  const Descriptor pidfd = open_pidfd(child);
  const Descriptor none;
  AbandonedChildren abandoned;
  REQUIRE_FALSE(wait_for_child(child, pidfd, std::chrono::steady_clock::now()));
  abandoned.add(child);
  abandoned.reap();
  REQUIRE(abandoned.count() == 1);
  pipe.write_end.close();
  SECTION("seen through its pidfd") {
    REQUIRE(wait_for_child(child, pidfd, std::chrono::steady_clock::now() + std::chrono::seconds(10)) == 5);
  }
  SECTION("seen without one") {
    REQUIRE(wait_for_child(child, none, std::chrono::steady_clock::now() + std::chrono::seconds(10)) == 5);
  }
  SECTION("reaped after it was abandoned") {
    siginfo_t info{};
    waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
    abandoned.reap();
    REQUIRE(abandoned.count() == 0);
    REQUIRE(waitpid(child, nullptr, WNOHANG) == -1);
  }
}
