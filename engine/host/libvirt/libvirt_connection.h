// The connection to libvirt, made when it is first needed and again when it broke.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "host/libvirt/libvirt_handles.h"

namespace gpuplan {

using Connection = std::shared_ptr<virConnect>;

// Thread-safe.
class LibvirtConnection {
 public:
  explicit LibvirtConnection(std::string uri);

  // A connection that answered just now. One that broke is replaced before anything is asked of it, so
  // that no change is ever sent twice. Throws HostError: unreachable, denied, or what libvirt says.
  Connection get();
  const std::string& uri() const { return uri_; }

 private:
  Connection open() const;

  const std::string uri_;
  std::mutex mutex_;
  Connection connection_;
};

}  // namespace gpuplan
