#include <fmt/format.h>

#include <cctype>

#include "host/libvirt/libvirt_handles.h"

namespace gpuplan {
namespace {

using Kind = HostError::Kind;

constexpr std::size_t longest_message = 300;  // bytes; QEMU's own output can be part of it

Kind kind_of(const virError& error) {
  switch (error.code) {
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_NETWORK:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL: return Kind::not_found;
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
    case VIR_ERR_OPERATION_DENIED: return Kind::denied;
    case VIR_ERR_RESOURCE_BUSY: return Kind::busy;
    case VIR_ERR_OPERATION_TIMEOUT:
    case VIR_ERR_AGENT_UNRESPONSIVE: return Kind::timed_out;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_INVALID_CONN:
    case VIR_ERR_RPC: return Kind::unreachable;
    case VIR_ERR_NO_SUPPORT:
    case VIR_ERR_ARGUMENT_UNSUPPORTED:
    case VIR_ERR_OPERATION_UNSUPPORTED: return Kind::unsupported;
    case VIR_ERR_OPERATION_INVALID:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_INVALID_ARG:
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_DOM_EXIST:
    case VIR_ERR_NETWORK_EXIST:
    case VIR_ERR_STORAGE_VOL_EXIST: return Kind::refused;
    // int1 is the errno value of the call behind it.
    case VIR_ERR_SYSTEM_ERROR: return error.int1 > 0 ? kind_of_errno(error.int1) : Kind::failed;
    default: return Kind::failed;
  }
}

// libvirt's message as the end of a sentence.
std::string message_of(const virError& error) {
  std::string message = error.message == nullptr ? "libvirt gave no reason" : error.message;
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  while (!message.empty() && (message.back() == ' ' || message.back() == '.')) message.pop_back();
  // "Domain not found" becomes lower case, "XML error" stays.
  if (message.size() > 1 && std::islower(static_cast<unsigned char>(message[1])) != 0) {
    message[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(message[0])));
  }
  if (message.size() <= longest_message) return message;
  std::size_t end = longest_message;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0U) == 0x80U) --end;  // within a character
  return message.substr(0, end) + "…";
}

}  // namespace

int last_libvirt_error() {
  const virErrorPtr error = virGetLastError();
  return error == nullptr ? static_cast<int>(VIR_ERR_OK) : error->code;
}

bool last_call_was_unknown() {
  const int code = last_libvirt_error();
  return code == VIR_ERR_INVALID_ARG || code == VIR_ERR_NO_SUPPORT || code == VIR_ERR_ARGUMENT_UNSUPPORTED ||
         code == VIR_ERR_OPERATION_UNSUPPORTED;
}

void throw_libvirt_error(const std::string& what, const std::string& subject, const std::string& next) {
  const virErrorPtr error = virGetLastError();
  const std::string end = next.empty() ? "" : "; " + next;
  if (error == nullptr) throw HostError(Kind::failed, subject, fmt::format("cannot {}: libvirt gave no reason{}", what, end));
  throw HostError(kind_of(*error), subject, fmt::format("cannot {}: {}{}", what, message_of(*error), end));
}

std::string take_text(char* text, const std::string& what, const std::string& subject) {
  if (text == nullptr) throw_libvirt_error(what, subject);
  std::string copy = text;
  std::free(text);
  return copy;
}

}  // namespace gpuplan
