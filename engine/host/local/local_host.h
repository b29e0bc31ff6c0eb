// The machine that gpuplan runs on, behind the Host ports.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "host/ports.h"

namespace gpuplan {

struct LocalHostOptions {
  std::string libvirt_uri = "qemu:///system";
  std::string key_directory;  // of the cluster's ssh keys (host/ssh); empty: no guest can be reached
  std::string download_directory;  // of images from the web; empty: they are refused
  std::string root;  // prefix of every file path, for tests on a copied tree; empty: the real one
  // The program that is started as file access child: one that calls run_file_access_child() when its
  // first argument is file_access_child_flag. Empty: the running program.
  std::string child_program;
  std::chrono::milliseconds read_limit{10'000};  // of one access to a path that can hang
};

// Changes nothing and connects to nothing yet: libvirt is contacted at the first use of hypervisor().
std::unique_ptr<Host> open_local_host(const LocalHostOptions& options);

// What a re-exec'd child of this program runs instead of its command line: answers file requests on
// its standard streams until they close. Returns its exit status. See engine/host/local/README.md.
int run_file_access_child();
// The first argument by which the program recognises that it is such a child.
inline constexpr const char* file_access_child_flag = "--file-access-child";

}  // namespace gpuplan
