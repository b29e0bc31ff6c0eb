// Files from the web, brought whole and checked. The only user of libcurl.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace gpuplan {

struct Download {
  std::string url;     // http or https; redirects are followed, but never from https to http
  std::string file;    // where it goes, absolute; its directory exists and only this user can write in it
  std::string sha256;  // 64 lower-case hexadecimal digits; empty: not checked
  std::chrono::seconds limit{3600};
};

// Bytes that are there and bytes in all; the latter is 0 as long as the server has not said.
using DownloadProgress = std::function<void(std::int64_t done, std::int64_t total)>;

// When it returns, `file` is whole, durable and has the SHA-256. What is there already is used: with a SHA-256 if it
// matches, otherwise if the server says that it has not changed since (RFC 9110, If-None-Match). A download that broke
// off is kept as FILE.part and goes on where it was, if the server still has the same (If-Range).
// `progress` is called at most a few times a second, on this thread.
// Throws HostError: unreachable, timed_out, not_found (404, 410), denied (401, 403), refused (another SHA-256, or a
// certificate that is not trusted), failed; and Interrupted as soon as an interrupt is requested. Thread-safe for
// different files.
void download(const Download& wanted, const DownloadProgress& progress);

}  // namespace gpuplan
