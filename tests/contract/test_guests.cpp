// What step kinds rely on of the Guests port: on a real sshd and on the simulated host.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "guest_subject.h"
#include "host/ssh/guest_files.h"
#include "host/ssh/ssh_guests.h"
#include "support/host_error_of.h"

using namespace gpuplan;

namespace {

struct LoginResult {
  int exit_status = -1;
  std::string output;
};

// Becomes the program in a child, as `gpuplan ssh` does, with `input` on its standard input.
LoginResult become(const std::vector<std::string>& argv, const std::string& input) {
  int in[2], out[2];
  REQUIRE(pipe2(in, O_CLOEXEC) == 0);
  REQUIRE(pipe2(out, O_CLOEXEC) == 0);
  std::vector<std::string> words = argv;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execvp(pointers.front(), pointers.data());
    _exit(126);
  }
  close(in[0]);
  close(out[1]);
  REQUIRE(write(in[1], input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  close(in[1]);
  LoginResult result;
  char buffer[4096];
  for (ssize_t got = 0; (got = read(out[0], buffer, sizeof buffer)) > 0;) result.output.append(buffer, static_cast<std::size_t>(got));
  close(out[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  return result;
}

}  // namespace

TEST_CASE("a login on a real guest hands over the standard streams and the exit status") {
  GuestSubject subject("this machine");
  const auto login = [&](const std::vector<std::string>& command) {
    const auto argv = subject.guests().login(subject.target(), command);
    REQUIRE(argv);
    return *argv;
  };
  CHECK(become(login({"sh", "-c", "cat; exit 42"}), "through standard input").output == "through standard input");
  CHECK(become(login({"sh", "-c", "exit 42"}), "").exit_status == 42);
  const std::vector<std::string> hostile = {"$(exit 3)", "a'b", "\"", "-n", "", "*", "a\nb"};
  std::vector<std::string> argv = {"printf", "[%s]"};
  argv.insert(argv.end(), hostile.begin(), hostile.end());
  std::string expected;
  for (const std::string& argument : hostile) expected += "[" + argument + "]";
  CHECK(become(login(argv), "").output == expected);
  // Without a command: the guest's own shell.
  const LoginResult shell = become(login({}), "echo from the shell; exit 7\n");
  CHECK_THAT(shell.output, contains("from the shell"));
  CHECK(shell.exit_status == 7);
}

TEST_CASE("a guest is reached by the name of its login host, whatever its address among the nodes is") {
  GuestSubject subject("this machine");
  GuestTarget target = subject.target();
  target.address = "192.0.2.1";  // RFC 5737: nobody's
  target.ssh_host = "localhost";
  REQUIRE(subject.guests().answers(target));
  CHECK(subject.guests().query(target, {{"echo", "here"}}).output == "here\n");
  CHECK(become(*subject.guests().login(target, {"echo", "here"}), "").output == "here\n");
}

TEST_CASE("a login trusts nobody else in a real guest's place") {
  GuestSubject subject("this machine");
  subject.change_host_key();
  for (int i = 0; i < 50; ++i) {  // until the new sshd listens
    if (host_error_of([&] { subject.guests().run(subject.target(), {{"true"}}); }).kind() == HostError::Kind::refused) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  const LoginResult result = become(*subject.guests().login(subject.target(), {"echo", "in"}), "");
  CHECK(result.exit_status == 255);
  CHECK(result.output.empty());
  GuestTarget nobody = subject.target();
  nobody.node = "contract-nobody";
  CHECK(host_error_of([&] { subject.guests().login(nobody, {}); }).kind() == HostError::Kind::unreachable);
}

TEST_CASE("a simulated guest has no program to log in with") {
  GuestSubject subject("simulated");
  CHECK_FALSE(subject.guests().login(subject.target(), {}));
  CHECK_FALSE(subject.guests().login(subject.target(), {"true"}));
}

TEST_CASE("credentials have the form of OpenSSH's, and stay the same") {
  const std::string name = EACH_HOST;
  GuestSubject subject(name);
  const GuestCredentials made = subject.guests().credentials("contract-guest");
  REQUIRE(made.authorized_key.rfind("ssh-ed25519 ", 0) == 0);
  REQUIRE(made.authorized_key.find('\n') == std::string::npos);
  REQUIRE(made.host_key.rfind("-----BEGIN OPENSSH PRIVATE KEY-----\n", 0) == 0);
  REQUIRE(made.host_key_public.rfind("ssh-ed25519 ", 0) == 0);
  const GuestCredentials again = subject.guests().credentials("contract-guest");
  REQUIRE(again.host_key == made.host_key);
  REQUIRE(again.authorized_key == made.authorized_key);
  const GuestCredentials other = subject.guests().credentials("contract-other");
  REQUIRE(other.authorized_key == made.authorized_key);
  REQUIRE(other.host_key_public != made.host_key_public);
  subject.guests().forget("contract-other");
  subject.guests().forget("contract-nobody");
  REQUIRE(subject.guests().answers(subject.target()));
}

TEST_CASE("a command on a guest gives back status and output") {
  const std::string name = EACH_HOST;
  GuestSubject subject(name);
  REQUIRE(subject.guests().run(subject.target(), {{"true"}}).exit_status == 0);
  REQUIRE(subject.guests().query(subject.target(), {{"test", "-e", "/no/such/file"}}).exit_status == 1);
  const CommandResult cat = subject.guests().query(subject.target(), {{"cat", "/no/such/file"}});
  REQUIRE(cat.exit_status == 1);
  REQUIRE(cat.output.empty());
  REQUIRE_THAT(cat.errors, contains("cat: /no/such/file: No such file or directory"));
  REQUIRE(subject.guests().query(subject.target(), {{"gpuplan-no-such-program"}}).exit_status == 127);
}

TEST_CASE("files on a guest come and go") {
  const std::string name = EACH_HOST;
  GuestSubject subject(name);
  Guests& guests = subject.guests();
  const std::string path = subject.directory() + "/a file's \"name\"; $(true)";
  REQUIRE_FALSE(guests.get(subject.target(), path));
  guests.put(subject.target(), path, "first\n", 0600);
  REQUIRE(guests.get(subject.target(), path) == "first\n");
  const std::string binary = std::string("\0\xff\n$HOME `id` 'x'", 17) + std::string(100'000, 'y');
  guests.put(subject.target(), path, binary, 0640);
  REQUIRE(guests.get(subject.target(), path) == binary);
  REQUIRE(guests.query(subject.target(), {{"cat", path}}).output == binary);
  guests.remove(subject.target(), path);
  guests.remove(subject.target(), path);
  REQUIRE_FALSE(guests.get(subject.target(), path));
}

TEST_CASE("a guest that is not there does not answer, and says so by name") {
  const std::string name = EACH_HOST;
  GuestSubject subject(name);
  GuestTarget nobody = subject.target();
  nobody.node = "contract-nobody";
  nobody.port = 1;
  REQUIRE_FALSE(subject.guests().answers(nobody));
  const HostError error = host_error_of([&] { subject.guests().run(nobody, {{"true"}}); });
  REQUIRE(error.kind() == HostError::Kind::unreachable);
  REQUIRE_THAT(error.what(), contains("contract-nobody"));
}

TEST_CASE("arguments reach a real guest's program unchanged") {
  GuestSubject subject("this machine");
  const std::vector<std::string> hostile = {"$(touch /tmp/gpuplan-owned)", "a'b", "\"", "`id`", "-n", "", "*", "a\nb", "\\"};
  std::vector<std::string> argv = {"printf", "[%s]"};
  argv.insert(argv.end(), hostile.begin(), hostile.end());
  std::string expected;
  for (const std::string& argument : hostile) expected += "[" + argument + "]";
  REQUIRE(subject.guests().query(subject.target(), {argv}).output == expected);
  REQUIRE(subject.guests().run(subject.target(), {{"cat"}, "through standard input"}).output == "through standard input");
}

TEST_CASE("file modes on a real guest are those asked for") {
  GuestSubject subject("this machine");
  const std::string path = subject.directory() + "/secret";
  subject.guests().put(subject.target(), path, "x", 0600);
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  REQUIRE((status.st_mode & 07777U) == 0600);
  subject.guests().put(subject.target(), path, "x", 0644);
  REQUIRE(stat(path.c_str(), &status) == 0);
  REQUIRE((status.st_mode & 07777U) == 0644);
}

TEST_CASE("nobody else is taken for a real guest") {
  GuestSubject subject("this machine");
  subject.change_host_key();
  HostError error(HostError::Kind::failed, "", "");
  for (int i = 0; i < 50; ++i) {  // until the new sshd listens
    error = host_error_of([&] { subject.guests().run(subject.target(), {{"true"}}); });
    if (error.kind() == HostError::Kind::refused) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  REQUIRE(error.kind() == HostError::Kind::refused);
  REQUIRE_THAT(error.what(), contains("does not have the ssh host key that gpuplan gave to contract-guest"));
  REQUIRE_THROWS_AS(subject.guests().answers(subject.target()), HostError);
}

TEST_CASE("a real guest whose sshd dies during a call was reached, and is again by the next call") {
  GuestSubject subject("this machine");
  REQUIRE(subject.guests().run(subject.target(), {{"true"}}).ok());  // over a connection that is there already
  // The parent of timeout(1), which the command runs below, is the session's sshd.
  const Command command{{"sh", "-c", "kill -KILL $(ps -o ppid= -p $PPID); exec sleep 3"}, {}, std::chrono::seconds(30)};
  for (int i = 0; i < 2; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const HostError error = host_error_of([&] { subject.guests().run(subject.target(), command); });
    CHECK(error.kind() == HostError::Kind::unreachable);
    CHECK_THAT(error.what(), contains("contract-guest (127.0.0.1) does not answer ssh"));
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
    CHECK_FALSE(never_reached(error));  // so that no second way is tried for what may have been done
    CHECK(subject.guests().run(subject.target(), {{"echo", "again"}}).output == "again\n");
  }
}

TEST_CASE("what a command on a real guest printed before its limit is told") {
  GuestSubject subject("this machine");
  const std::string prints = "seq 1000; echo at work; echo in trouble >&2; ";
  for (const std::string hangs : {"exec sleep 600", "trap '' TERM; while :; do sleep 1; done"}) {
    INFO(hangs);
    const Command command{{"sh", "-c", prints + hangs}, {}, std::chrono::seconds(2)};
    const HostError error = host_error_of([&] { subject.guests().run(subject.target(), command); });
    CHECK(error.kind() == HostError::Kind::timed_out);
    CHECK_THAT(error.output_tail(), contains("\n999\n1000\nat work\nin trouble\n"));
    CHECK(error.output_tail().size() < 3000);
  }
}

TEST_CASE("what was read of a file before a limit is told to nobody: it may be secret") {
  const CommandRunner run = [](const Command&) -> CommandResult {
    throw HostError(HostError::Kind::timed_out, "gpu-worker-1", "it did not end within 120 s", "a secret");
  };
  const HostError error = host_error_of([&] { get_file(run, {}, "/etc/kubernetes/admin.conf"); });
  CHECK(error.kind() == HostError::Kind::timed_out);
  CHECK(error.output_tail().empty());
}

TEST_CASE("a command on a real guest ends at its limit, there too") {
  GuestSubject subject("this machine");
  const std::string marker = "86399.5";  // seconds: recognised in the process list
  const auto begin = std::chrono::steady_clock::now();
  const Command command{{"sleep", marker}, {}, std::chrono::seconds(1)};
  const HostError error = host_error_of([&] { subject.guests().run(subject.target(), command); });
  REQUIRE(error.kind() == HostError::Kind::timed_out);
  REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(8));
  REQUIRE(subject.guests().query(subject.target(), {{"pgrep", "-f", "^sleep " + marker}}).exit_status == 1);
}
