// The one exception of the ports to the world.
#pragma once

#include <stdexcept>
#include <string>

namespace gpuplan {

// A host operation that did not work. what() is one whole sentence that names the operation, its
// subject and the reason in words ("cannot write /sys/…/unbind: device or resource busy"), ready for
// a user: never a bare errno or a raw exception text of a library.
class HostError : public std::runtime_error {
 public:
  enum class Kind {
    not_found,    // the path, domain, volume, command or guest does not exist
    denied,       // permission
    busy,         // in use by somebody else
    timed_out,    // did not end within its time limit; may still be going on
    unreachable,  // libvirt or a guest does not answer
    refused,      // the other side understood and said no
    unsupported,  // this kind of host cannot do that
    failed,       // anything else
  };

  HostError(Kind kind, std::string subject, const std::string& sentence, std::string output_tail = {})
      : std::runtime_error(sentence), kind_(kind), subject_(std::move(subject)),
        output_tail_(std::move(output_tail)) {}

  Kind kind() const { return kind_; }
  // The path, the argv joined by blanks, the domain, or the guest.
  const std::string& subject() const { return subject_; }
  // The last lines that a failed command wrote to stderr (or stdout); may be empty.
  const std::string& output_tail() const { return output_tail_; }

 private:
  Kind kind_;
  std::string subject_;
  std::string output_tail_;
};

// The kind and the words for an errno value ("no such file or directory", lower case).
HostError::Kind kind_of_errno(int error_number);
std::string words_for_errno(int error_number);

}  // namespace gpuplan
