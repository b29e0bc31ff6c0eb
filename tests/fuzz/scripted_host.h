// A host that answers with the parts of a fuzzer's input.
#pragma once

#include "fuzz/fuzz.h"
#include "support/memory_host.h"

namespace gpuplan::fuzz {

// The answers of programs, one after another and then again from the first. The name of a part is the exit status;
// what follows the word "err" in it went to standard error.
class Answers {
 public:
  explicit Answers(std::vector<Part> parts) : parts_(std::move(parts)) {}

  CommandResult next() {
    if (parts_.empty()) return {};
    const Part& part = parts_[at_++ % parts_.size()];
    CommandResult result;
    for (const char c : part.name) {
      if (c < '0' || c > '9') break;
      result.exit_status = (result.exit_status * 10 + (c - '0')) % 256;
    }
    const bool is_error = part.name.find("err") != std::string::npos;
    (is_error ? result.errors : result.output) = part.text;
    return result;
  }
  void rewind() { at_ = 0; }

 private:
  std::vector<Part> parts_;
  std::size_t at_ = 0;
};

// Its guests answer every command with the next answer.
class ScriptedHost : public test::MemoryHost {
 public:
  explicit ScriptedHost(std::vector<Part> parts) : answers_(std::move(parts)), guests_(answers_) {}

  Guests& guests() override { return guests_; }
  void rewind() { answers_.rewind(); }

 private:
  class ScriptedGuests : public Guests {
   public:
    explicit ScriptedGuests(Answers& answers) : answers_(answers) {}
    bool answers(const GuestTarget&) override { return true; }
    CommandResult query(const GuestTarget&, const Command&) override { return answers_.next(); }
    CommandResult run(const GuestTarget&, const Command&) override { return answers_.next(); }
    std::optional<std::string> get(const GuestTarget&, const std::string&) override { return answers_.next().output; }
    void put(const GuestTarget&, const std::string&, const std::string&, unsigned) override {}
    void remove(const GuestTarget&, const std::string&) override {}
    GuestCredentials credentials(const std::string&) override { return {}; }
    void forget(const std::string&) override {}

   private:
    Answers& answers_;
  };

  Answers answers_;
  ScriptedGuests guests_;
};

}  // namespace gpuplan::fuzz
