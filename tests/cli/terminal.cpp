// What a person at a terminal sees: the question, colours, live progress, Ctrl-C.
#include "on_terminal.h"
#include "program.h"
#include "support/catch.h"

namespace {

std::vector<std::string> apply_words(const cli::Place& place) {
  return {"apply", cli::h100_spec, "--host", "sim:" + place.host()};
}

constexpr const char* question = "Only \"yes\" is accepted: ";

}  // namespace

TEST_CASE("\"yes\" at the question starts the run, shown live and in colour") {
  const cli::Place place;
  const cli::TerminalSession session = cli::on_terminal(place, apply_words(place), question, "yes\n");
  CHECK(session.exit_code == 0);
  CHECK_THAT(session.screen, contains("\033[32m"));
  CHECK_THAT(session.screen, contains("\033[A\r\033[K"));
  CHECK_THAT(session.screen, contains("running, "));
  CHECK_THAT(session.screen, contains("Run 1 succeeded"));
}

TEST_CASE("anything but \"yes\" changes nothing") {
  for (const char* answer : {"y\n", "\n", "YES\n", "yes please\n"}) {
    const cli::Place place;
    const cli::TerminalSession session = cli::on_terminal(place, apply_words(place), question, answer);
    INFO(answer);
    CHECK(session.exit_code == 1);
    CHECK_THAT(session.screen, contains("not confirmed; nothing was changed"));
    CHECK_THAT(place.run({"status"}).out, contains("There is no cluster"));
  }
}

TEST_CASE("Ctrl-C at the question ends with 130 and changes nothing") {
  const cli::Place place;
  const cli::TerminalSession session = cli::on_terminal(place, apply_words(place), question, "\x03");
  CHECK(session.exit_code == 130);
  CHECK_THAT(session.screen, contains("interrupted; nothing was changed"));
}

TEST_CASE("a terminal that closes at the question ends with 129 and changes nothing") {
  for (int i = 0; i < 3; ++i) {  // the end of the line and the signal race
    const cli::Place place;
    CHECK(cli::on_closing_terminal(place, apply_words(place), question).exit_code == 129);
    CHECK_THAT(place.run({"status"}).out, contains("There is no cluster"));
  }
}

TEST_CASE("the end of the line at the question is no yes, and no closed terminal") {
  const cli::Place place;
  const cli::TerminalSession session = cli::on_terminal(place, apply_words(place), question, "\x04");
  CHECK(session.exit_code == 1);
  CHECK_THAT(session.screen, contains("not confirmed; nothing was changed"));
}

TEST_CASE("Ctrl-C during a run ends it with 130 and says what to do next") {
  const cli::Place place;
  std::vector<std::string> words = {"apply", cli::h100_spec, "--host", cli::h100_host, "--yes"};
  const cli::TerminalSession session = cli::on_terminal(place, words, "vm-define/gpu-control-plane: create", "\x03");
  CHECK(session.exit_code == 130);
  CHECK_THAT(session.screen, contains("Run 1 was interrupted"));
  CHECK_THAT(session.screen, contains("goes on with the run"));
  const cli::Result undone = place.run({"rollback", "--yes", "--host", cli::h100_host});
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("resources are as they were before run 1."));
}

TEST_CASE("a terminal that closes during a run ends it with 129, and nothing is lost") {
  const cli::Place place;
  const std::vector<std::string> words = {"apply", cli::h100_spec, "--host", cli::h100_host, "--yes"};
  CHECK(cli::on_closing_terminal(place, words, "vm-define/gpu-control-plane: create").exit_code == 129);
  CHECK_THAT(place.run({"history"}).out, contains("interrupted"));
  const cli::Result undone = place.run({"rollback", "--yes", "--host", cli::h100_host});
  INFO(undone.err);
  CHECK(undone.exit_code == 0);
  CHECK_THAT(undone.out, contains("resources are as they were before run 1."));
}

TEST_CASE("--color never means no colour, even on a terminal") {
  const cli::Place place;
  std::vector<std::string> words = {"plan", cli::h100_spec, "--host", cli::h100_host, "--color", "never"};
  CHECK_THAT(cli::on_terminal(place, words, "\x01", "").screen, !contains("\033[3"));
}
