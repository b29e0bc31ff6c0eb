#include "host/names/pci_names.h"

extern "C" {
#include <pci/pci.h>
}

#include <array>
#include <csetjmp>
#include <cstring>

#include "report/diagnostic.h"

namespace gpuplan {
namespace {

// libpci's error function must not return, and its own ends the process. This one goes back to load(), whose
// frames in between are all libpci's.
thread_local std::jmp_buf* back_to_load = nullptr;

// [[noreturn]] would not be part of its type, as clang compares it.
__attribute__((noreturn)) void leave_libpci(char* /*format*/, ...) {
  if (back_to_load != nullptr) std::longjmp(*back_to_load, 1);
  std::abort();  // only memory can run out after load()
}

void ignore(char* /*format*/, ...) {}

// True if there is a database and it is well-formed.
bool load(pci_access* access) {
  std::jmp_buf here;
  back_to_load = &here;
  bool loaded = false;
  if (setjmp(here) == 0) loaded = pci_load_name_list(access) != 0;  // NOLINT: no destructor is skipped
  back_to_load = nullptr;
  return loaded;
}

// udev's own database would say something else from machine to machine.
constexpr int only_known_names = PCI_LOOKUP_NO_NUMBERS | PCI_LOOKUP_NO_HWDB;

std::string text_of(const char* name) { return name == nullptr ? "" : printable(name); }

}  // namespace

struct PciNames::Access {
  pci_access* libpci = pci_alloc();
  std::array<char, 1024> buffer{};
  ~Access() { pci_cleanup(libpci); }
};

PciNames::PciNames(const std::string& database) : access_(std::make_unique<Access>()) {
  pci_access* libpci = access_->libpci;
  libpci->error = leave_libpci;
  libpci->warning = ignore;
  libpci->debug = ignore;
  if (!database.empty()) pci_set_name_list_path(libpci, strdup(database.c_str()), 1);
  if (!load(libpci)) access_.reset();
}

PciNames::~PciNames() = default;

std::string PciNames::vendor(const PciId& id) {
  if (!access_) return {};
  return text_of(pci_lookup_name(access_->libpci, access_->buffer.data(), static_cast<int>(access_->buffer.size()),
                                 PCI_LOOKUP_VENDOR | only_known_names, id.vendor));
}

std::string PciNames::device(const PciId& id) {
  if (!access_) return {};
  return text_of(pci_lookup_name(access_->libpci, access_->buffer.data(), static_cast<int>(access_->buffer.size()),
                                 PCI_LOOKUP_DEVICE | only_known_names, id.vendor, id.device));
}

}  // namespace gpuplan
