// Standard output that does not get where it goes: a full disk, a reader who has gone.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "program.h"
#include "support/catch.h"
#include "support/run_program.h"

namespace {

struct Made {
  Made() { REQUIRE(place.run_sim({"apply", cli::h100_spec, "--yes"}).exit_code == 0); }
  int run(std::vector<std::string> words, const std::string& out) const {
    return run_program(words, place.state_dir(), out, err);
  }

  cli::Place place;
  std::string err = place.write("err", "");
};

}  // namespace

TEST_CASE("a verb that only prints says that its output is not whole, and fails") {
  const Made made;
  for (const std::vector<std::string>& words : {std::vector<std::string>{"show", "--json"},
                                                {"show"},
                                                {"history"},
                                                {"status", "--json"},
                                                {"validate", cli::h100_spec},
                                                {"version"},
                                                {"--help"},
                                                {"apply", "--help"}}) {
    INFO(words.front());
    CHECK(made.run(words, "/dev/full") == 1);
    const std::string said = cli::read_file(made.err);
    CHECK_THAT(said, contains("error: standard output could not be written to its end: what was printed is not whole\n"));
    CHECK_THAT(said, contains("next: make room where it goes to"));
  }
  made.run({"show", "--json"}, "/dev/full");
  CHECK_THAT(cli::read_file(made.err), contains("no space left on device"));
}

TEST_CASE("a verb whose reader goes away ends as by SIGPIPE, and says nothing of it") {
  const Made made;
  const std::string pipe = made.place.host() + ".pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(reader >= 0);
  REQUIRE(fcntl(reader, F_SETPIPE_SZ, 4096) == 4096);  // less than it prints: it waits for the reader
  const pid_t program = start_program({"show", "--json"}, made.place.state_dir(), pipe, made.err);
  struct pollfd wait {reader, POLLIN, 0};
  CHECK(poll(&wait, 1, 60'000) == 1);
  close(reader);
  CHECK(end_of_program(program) == 128 + SIGPIPE);
  CHECK(cli::read_file(made.err).empty());
}

TEST_CASE("a run counts by what became of the server, whoever hears of it") {
  const Made made;
  CHECK(made.run({"destroy", "--yes", "--host", "sim:" + made.place.host()}, "/dev/full") == 0);
  CHECK_THAT(made.place.run({"status"}).out, contains("Resources: none"));
}
