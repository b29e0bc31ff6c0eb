// libvirt's reference-counted objects as C++ values, and its errors as HostError.
#pragma once

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "host/host_error.h"

namespace gpuplan {

template <auto release>
struct Release {
  template <typename Object>
  void operator()(Object* object) const {
    release(object);
  }
};

using ConnectionHandle = std::unique_ptr<virConnect, Release<virConnectClose>>;
using DomainHandle = std::unique_ptr<virDomain, Release<virDomainFree>>;
using NetworkHandle = std::unique_ptr<virNetwork, Release<virNetworkFree>>;
using PoolHandle = std::unique_ptr<virStoragePool, Release<virStoragePoolFree>>;
using VolumeHandle = std::unique_ptr<virStorageVol, Release<virStorageVolFree>>;
using StreamHandle = std::unique_ptr<virStream, Release<virStreamFree>>;

// The code of the last libvirt error of this thread; VIR_ERR_OK if there was none.
int last_libvirt_error();

// True if the last call failed because this driver does not know the flags or the function.
bool last_call_was_unknown();

// Throws the last libvirt error of this thread: "cannot WHAT: libvirt's own message; NEXT", the message cut where it gets
// long. `next` may be empty.
[[noreturn]] void throw_libvirt_error(const std::string& what, const std::string& subject, const std::string& next = {});

// Throws unless `result` is 0 or more.
inline void require(int result, const std::string& what, const std::string& subject) {
  if (result < 0) throw_libvirt_error(what, subject);
}

// The text that a libvirt function allocated, which is freed. Throws as above if there is none.
std::string take_text(char* text, const std::string& what, const std::string& subject);

// What virConnectListAll… filled an array with, as handles.
template <typename Handle>
std::vector<Handle> take_list(typename Handle::pointer* objects, int count) {
  std::vector<Handle> handles;
  if (count > 0) handles.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) handles.emplace_back(objects[i]);
  std::free(objects);
  return handles;
}

// The UUID of an object, by its virXxxGetUUIDString; empty if libvirt does not say.
template <typename Object>
std::string uuid_of(Object* object, int (*get)(Object*, char*)) {
  std::string uuid(VIR_UUID_STRING_BUFLEN, '\0');
  if (get(object, uuid.data()) != 0) return {};
  uuid.resize(VIR_UUID_STRING_BUFLEN - 1);
  return uuid;
}

}  // namespace gpuplan
