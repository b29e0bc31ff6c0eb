// What of a user's environment is left for gpuplan's libraries and for the programs that take its place.
#include "command/known_environment.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "command/hand_over.h"
#include "support/catch.h"

using namespace gpuplan::command;

namespace {

// What env(1) prints in the place of a gpuplan that was started with these variables, and nothing besides.
std::set<std::string> handed_over(const std::vector<std::pair<const char*, const char*>>& variables) {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    clearenv();
    for (const auto& [name, value] : variables) setenv(name, value, 1);
    dup2(ends[1], STDOUT_FILENO);
    try {
      keep_known_environment();
      hand_over({"env"});
    } catch (...) {
      _exit(126);
    }
  }
  close(ends[1]);
  std::string said;
  char buffer[4096];
  for (ssize_t count = 0; (count = read(ends[0], buffer, sizeof buffer)) > 0;) {
    said.append(buffer, static_cast<std::size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  std::istringstream lines(said);
  std::set<std::string> found;
  for (std::string line; std::getline(lines, line);) found.insert(line);
  return found;
}

}  // namespace

TEST_CASE("what steers programs and libraries is not handed on to ssh and virsh") {
  const std::set<std::string> left = handed_over(
      {{"BASH_ENV", "/tmp/x"}, {"ENV", "/tmp/x"}, {"LD_LIBRARY_PATH", "/tmp"}, {"LD_AUDIT", ""}, {"GCONV_PATH", "/tmp"},
       {"LOCPATH", "/tmp"}, {"LIBVIRT_DEFAULT_URI", "qemu+ext:///system?command=/tmp/x"},
       {"LIBVIRT_LOG_OUTPUTS", "1:file:/tmp/x"},
       {"SSLKEYLOGFILE", "/tmp/x"}, {"OPENSSL_CONF", "/tmp/x"}, {"SSH_AUTH_SOCK", "/tmp/x"}, {"SSH_ASKPASS", "/tmp/x"},
       {"VIRSH_DEFAULT_CONNECT_URI", "xen:///"}, {"TMPDIR", "/tmp/x"}, {"IFS", "x"}, {"SHELL", "/tmp/x"}, {"LANGX", "x"},
       {"XLC_ALL", "x"}, {"MYHOME", "x"}});
  CHECK(left.size() == (geteuid() == 0 ? 1 : 0));  // PATH
}

TEST_CASE("what a program, a terminal or a proxy needs is left") {
  const std::vector<std::pair<const char*, const char*>> needed = {
      {"HOME", "/h"}, {"USER", "u"}, {"LOGNAME", "u"}, {"TERM", "xterm"}, {"LANG", "C.UTF-8"}, {"LC_TIME", "C"}, {"TZ", "UTC"},
      {"XDG_STATE_HOME", "/s"}, {"NO_COLOR", "1"}, {"KUBECONFIG", "/k"}, {"GPUPLAN_STATE_DIR", "/d"},
      {"https_proxy", "http://p:3128"}, {"NO_PROXY", "*.lan"}, {"HTTP_PROXY", ""}};
  const std::set<std::string> left = handed_over(needed);
  for (const auto& [name, value] : needed) CHECK(left.count(std::string(name) + "=" + value) == 1);
}

TEST_CASE("root's PATH has the system's directories alone, a user's is theirs") {
  const std::set<std::string> left = handed_over({{"PATH", "/tmp/bin:."}});
  const bool root = geteuid() == 0;
  REQUIRE(left.size() == 1);
  CHECK(*left.begin() == (root ? "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" : "PATH=/tmp/bin:."));
}
