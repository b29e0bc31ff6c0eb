// ssh host keys as text.
#pragma once

#include <string_view>

namespace gpuplan {

// True for "ssh-ed25519 AAAA…" without a comment: the type, and 51 bytes in base64 (RFC 8709, RFC 4253 section 6.6).
// Thread-safe.
bool is_ed25519_host_key(std::string_view text);

}  // namespace gpuplan
