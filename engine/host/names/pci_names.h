// Names for PCI identifiers, from the pci.ids database of the machine that gpuplan runs on. The only user of libpci.
// Source: pci.ids(5), pci/pci.h of pciutils. No device is touched.
#pragma once

#include <memory>
#include <string>

#include "spec/spec.h"

namespace gpuplan {

// Looks up names. Not thread-safe.
class PciNames {
 public:
  // `database`: the path of a pci.ids file; empty: where libpci was built to look for it. A file that is
  // absent or malformed is no error: there are no names then.
  explicit PciNames(const std::string& database = {});
  ~PciNames();
  PciNames(const PciNames&) = delete;
  PciNames& operator=(const PciNames&) = delete;

  // False if no name can be found at all.
  bool has_database() const { return access_ != nullptr; }
  // "NVIDIA Corporation"; empty if the database does not know it.
  std::string vendor(const PciId& id);
  // "GH100 [H100 SXM5 80GB]"; empty if the database does not know it.
  std::string device(const PciId& id);

 private:
  struct Access;
  std::unique_ptr<Access> access_;  // null without a database
};

}  // namespace gpuplan
