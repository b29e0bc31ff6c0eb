// A guest that can be logged in to, on each implementation of the Guests port.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "host/ports.h"
#include "subject.h"

namespace gpuplan {

// On "this machine" a real sshd on a loopback address, with the host key and the login of credentials(); on
// "simulated" a domain that has booted.
class GuestSubject {
 public:
  explicit GuestSubject(const std::string& name);
  ~GuestSubject();
  GuestSubject(const GuestSubject&) = delete;
  GuestSubject& operator=(const GuestSubject&) = delete;

  Guests& guests() { return host_->guests(); }
  const GuestTarget& target() const { return target_; }
  const std::string& directory() const { return directory_; }  // on the guest, writable
  std::string identity_file() const { return scratch_ / "keys/id_ed25519"; }  // that the real guest lets in
  // Gives the real guest another host key, as if somebody else answered in its place.
  void change_host_key();

 private:
  void start_sshd();
  void stop_sshd();

  TemporaryDirectory scratch_;
  std::unique_ptr<Host> host_;
  GuestTarget target_;
  std::string directory_;
  std::string host_key_;
  std::string authorized_key_;
  pid_t sshd_ = 0;
};

}  // namespace gpuplan
