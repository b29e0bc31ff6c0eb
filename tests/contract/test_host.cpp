#include "subject.h"
#include "support/host_error_of.h"

using namespace gpuplan;

TEST_CASE("a host has one identity, whoever opens it") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  const std::string identity = subject->host->identity();
  REQUIRE(identity.size() >= 32);
  REQUIRE(identity.find('\n') == std::string::npos);
  REQUIRE(open_again(*subject, name)->identity() == identity);
  REQUIRE_FALSE(subject->host->description().empty());
}

TEST_CASE("hosts are told apart") {
  REQUIRE(open_subject("this machine")->host->identity() != open_subject("simulated")->host->identity());
}

TEST_CASE("limitations have words for the user") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  for (const auto& [kind, words] : subject->host->limitations()) {
    REQUIRE_FALSE(kind.empty());
    REQUIRE(words.size() > 20);
  }
}

TEST_CASE("a command's output and exit status come back") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  const CommandResult uname = subject->host->query({{"uname", "-s"}, {}});
  REQUIRE(uname.ok());
  REQUIRE(uname.output == "Linux\n");
  REQUIRE(uname.errors.empty());
  const CommandResult free = subject->host->query({{"df", "--output=avail", "-B1", "/"}, {}});
  REQUIRE(free.ok());
  const std::size_t number = free.output.find_first_of("0123456789");
  REQUIRE(number != std::string::npos);
  REQUIRE(free.output.find("Avail\n") < number);
  REQUIRE(free.output.find_first_not_of("0123456789", number) == free.output.size() - 1);
  const CommandResult which = subject->host->query({{"which", "gpuplan-no-such-program"}, {}});
  REQUIRE(which.exit_status == 1);
  REQUIRE(which.output.empty());
  const CommandResult run = subject->host->run({{"true"}, {}});
  REQUIRE(run.exit_status == 0);
}

TEST_CASE("a program that does not exist is not_found, by name") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  const Command command{{"gpuplan-no-such-program", "--now"}, {}};
  for (const HostError& error : {host_error_of([&] { subject->host->query(command); }),
                                 host_error_of([&] { subject->host->run(command); })}) {
    REQUIRE(error.kind() == HostError::Kind::not_found);
    REQUIRE(error.subject() == "gpuplan-no-such-program --now");
    REQUIRE_THAT(error.what(), contains("cannot run gpuplan-no-such-program: "));
  }
  REQUIRE_THROWS_AS(subject->host->run({{}, {}}), HostError);
}

TEST_CASE("a clock goes forward, and a sleep of nothing returns") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Clock& clock = subject->host->clock();
  const std::int64_t before = clock.now();
  REQUIRE(before > 1'600'000'000);
  clock.sleep_for(std::chrono::milliseconds(0));
  REQUIRE(clock.now() >= before);
}
