#include "host/download/download.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <mutex>
#include <utility>

#include "digest/digest.h"
#include "host/host_error.h"
#include "host/interrupt.h"
#include "report/diagnostic.h"
#include "version.h"

namespace gpuplan {
namespace {

using Kind = HostError::Kind;
using std::chrono::steady_clock;

constexpr long max_redirects = 10;
constexpr long connect_limit_s = 30;
constexpr long stalled_limit_s = 60;  // without a byte
constexpr std::chrono::milliseconds between_reports{250};
constexpr std::size_t max_tag = 1000;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

struct CloseCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

[[noreturn]] void fail_at_file(const std::string& path, const char* what) {
  const int error = errno;
  throw HostError(kind_of_errno(error), path, fmt::format("cannot {} {}: {}", what, path, words_for_errno(error)));
}

// Never through a link that somebody put there, nor into what another user could write to as well.
File open_file(const std::string& path, int flags, const char* mode) {
  const char* const what = *mode == 'r' ? "read" : "write";
  const int descriptor = ::open(path.c_str(), flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
  if (descriptor < 0) fail_at_file(path, what);
  File file(::fdopen(descriptor, mode));
  if (!file) {
    ::close(descriptor);
    fail_at_file(path, what);
  }
  struct stat status {};
  constexpr unsigned of_others = S_IWGRP | S_IWOTH;
  const bool read = ::fstat(descriptor, &status) == 0;
  if (read && S_ISREG(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & of_others) == 0) return file;
  throw HostError(Kind::refused, path,
                  fmt::format("{} is not a file of this user alone, so nothing is downloaded to it or taken from it; see who "
                              "made it, then remove it",
                              path));
}

File open_to_write(const std::string& path, bool keep) {
  File file = open_file(path, O_RDWR | O_CREAT | (keep ? O_APPEND : 0), keep ? "a+" : "w+");
  if (!keep && ::ftruncate(::fileno(file.get()), 0) != 0) fail_at_file(path, "write");
  return file;
}

std::int64_t size_of(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return status.st_size;
}

std::string read_tag(const std::string& path) {
  if (size_of(path) == 0) return "";
  const File file = open_file(path, O_RDONLY, "r");
  std::array<char, max_tag + 2> text{};
  const std::string tag(text.data(), std::fread(text.data(), 1, text.size(), file.get()));
  const bool sane = tag.size() <= max_tag && std::all_of(tag.begin(), tag.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
  return sane ? tag : "";
}

// A tag that is lost only costs a download, so it need not be durable.
void write_tag(const std::string& path, const std::string& tag) {
  ::unlink(path.c_str());
  if (tag.empty()) return;
  const File file = open_to_write(path, false);
  std::fwrite(tag.data(), 1, tag.size(), file.get());
}

// Of the file that is open, whatever its name leads to now.
std::string sha256_of(std::FILE* file, const std::string& path) {
  std::rewind(file);
  Sha256 digest;
  std::array<char, 1U << 16U> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file)) {
    if (Interrupt::requested()) throw Interrupted();
    digest.add({buffer.data(), count});
  }
  if (std::ferror(file) != 0) fail_at_file(path, "read");
  return digest.hex();
}

// What the callbacks of one transfer share.
struct Transfer {
  const Download& wanted;
  const DownloadProgress& progress;
  CURL* handle;
  File file;
  std::int64_t present = 0;  // bytes that were there before
  std::string tag;           // of this response
  bool started = false;      // the first byte of the body has come
  int write_error = 0;
  steady_clock::time_point reported;
};

long status_of(CURL* handle) {
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

std::size_t on_body(char* data, std::size_t, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const long status = status_of(transfer.handle);
  if (status != 200 && status != 206) return count;  // the page of an error
  if (!transfer.started) {
    transfer.started = true;
    // The server sends all of it: what was there is of another version.
    if (status == 200 && transfer.present > 0) {
      transfer.present = 0;
      if (::ftruncate(::fileno(transfer.file.get()), 0) != 0) transfer.write_error = errno;
    }
  }
  if (transfer.write_error == 0 && std::fwrite(data, 1, count, transfer.file.get()) != count) transfer.write_error = errno;
  return transfer.write_error == 0 ? count : 0;
}

std::size_t on_header(char* data, std::size_t, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string line(data, count);
  if (line.rfind("HTTP/", 0) == 0) transfer.tag.clear();  // of a redirect
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos) return count;
  std::string name = line.substr(0, colon);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name != "etag") return count;
  std::string value = line.substr(colon + 1);
  while (!value.empty() && (value.back() == '\r' || value.back() == '\n' || value.back() == ' ')) value.pop_back();
  while (!value.empty() && value.front() == ' ') value.erase(0, 1);
  // A weak tag says that two versions mean the same, not that their bytes fit together.
  if (value.size() <= max_tag && value.rfind("W/", 0) != 0) transfer.tag = value;
  return count;
}

int on_progress(void* user, curl_off_t total, curl_off_t done, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (Interrupt::requested()) return 1;
  const auto now = steady_clock::now();
  if (done > 0 && transfer.progress && now - transfer.reported >= between_reports) {
    transfer.reported = now;
    transfer.progress(transfer.present + done, total > 0 ? transfer.present + total : 0);
  }
  return 0;
}

void set_protocols(CURL* handle, const std::string& url) {
  const bool secure = url.rfind("https:", 0) == 0;
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
#else
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
  curl_easy_setopt(handle, CURLOPT_REDIR_PROTOCOLS, secure ? CURLPROTO_HTTPS : CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
}

void set_options(CURL* handle, const Download& wanted, curl_slist* headers, Transfer& transfer) {
  curl_easy_setopt(handle, CURLOPT_URL, wanted.url.c_str());
  set_protocols(handle, wanted.url);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "gpuplan/" GPUPLAN_VERSION);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(handle, CURLOPT_MAXREDIRS, max_redirects);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, connect_limit_s);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, stalled_limit_s);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, static_cast<long>(wanted.limit.count()));
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, &transfer);
}

constexpr const char* bring_otherwise =
    "try that address with `curl -I` on this host (name resolution, proxy), or bring the image here in another way and name "
    "it with `image.path`";

[[noreturn]] void fail_transfer(CURLcode code, const Transfer& transfer) {
  const std::string& url = transfer.wanted.url;
  const std::string kept = size_of(transfer.wanted.file + ".part") > 0 ? "; what has come so far is kept, and the next try goes on there" : "";
  if (code == CURLE_ABORTED_BY_CALLBACK) throw Interrupted();
  if (transfer.write_error != 0) {
    throw HostError(kind_of_errno(transfer.write_error), transfer.wanted.file,
                    fmt::format("cannot write {}: {}", transfer.wanted.file, words_for_errno(transfer.write_error)));
  }
  const auto error = [&](Kind kind, std::string_view reason) {
    return HostError(kind, url, fmt::format("cannot download {}: {}{}; {}", url, reason, kept, bring_otherwise));
  };
  switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: throw error(Kind::unreachable, "its host name is not known here");
    case CURLE_COULDNT_RESOLVE_PROXY: throw error(Kind::unreachable, "the host name of the proxy is not known here");
    case CURLE_COULDNT_CONNECT: throw error(Kind::unreachable, "its host takes no connection");
    case CURLE_OPERATION_TIMEDOUT: throw error(Kind::timed_out, "it did not end in time, or stood still for a minute");
    case CURLE_PEER_FAILED_VERIFICATION:
      throw error(Kind::refused, "its host has no certificate that this machine trusts (package ca-certificates)");
    case CURLE_UNSUPPORTED_PROTOCOL: throw error(Kind::refused, "it leads from https to a protocol that is not");
    case CURLE_TOO_MANY_REDIRECTS: throw error(Kind::failed, "it is redirected again and again");
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING: throw error(Kind::unreachable, "the connection broke off");
    default: throw error(Kind::failed, fmt::format("the transfer failed (\"{}\")", curl_easy_strerror(code)));
  }
}

[[noreturn]] void fail_status(long status, const std::string& url) {
  Kind kind = Kind::failed;
  const char* next = "; run the same command again later, or name another image.url";
  if (status == 404 || status == 410) {
    kind = Kind::not_found;
    next = "; the image is not there any more: correct image.url in the spec";
  } else if (status == 401 || status == 403) {
    kind = Kind::denied;
    next = ": it wants a login, or no visitors from here; bring the image here by hand and name it with `image.path`";
  }
  throw HostError(kind, url, fmt::format("cannot download {}: its server answers with HTTP status {}{}", url, status, next));
}

enum class Outcome { whole, unchanged, start_again };

struct Answer {
  Outcome outcome;
  File part;  // what has come, of a whole one
};

// One request. Resumes FILE.part if its tag is known, or asks whether FILE is still current.
Answer request(const Download& wanted, const DownloadProgress& progress, bool ask_whether_changed) {
  const std::string part = wanted.file + ".part";
  const std::string part_tag = read_tag(part + ".etag");
  const std::int64_t present = part_tag.empty() ? 0 : size_of(part);
  const std::unique_ptr<CURL, CloseCurl> handle(curl_easy_init());
  if (!handle) throw HostError(Kind::failed, wanted.url, "cannot download " + wanted.url + ": out of memory");
  std::unique_ptr<curl_slist, FreeList> headers;
  const auto add = [&](const std::string& line) { headers.reset(curl_slist_append(headers.release(), line.c_str())); };
  if (present > 0) {
    add(fmt::format("Range: bytes={}-", present));
    add(fmt::format("If-Range: {}", part_tag));
  } else if (ask_whether_changed) {
    add("If-None-Match: " + read_tag(wanted.file + ".etag"));
  }
  Transfer transfer{wanted, progress, handle.get(), open_to_write(part, present > 0), present, {}, false, 0, {}};
  set_options(handle.get(), wanted, headers.get(), transfer);
  CURLcode code = curl_easy_perform(handle.get());
  if (std::fflush(transfer.file.get()) != 0 || ::fsync(::fileno(transfer.file.get())) != 0) transfer.write_error = errno;
  if (transfer.started) write_tag(part + ".etag", transfer.tag);
  if (code == CURLE_OK && transfer.write_error != 0) code = CURLE_WRITE_ERROR;
  if (code != CURLE_OK) fail_transfer(code, transfer);
  const long status = status_of(handle.get());
  if (status == 304) return {Outcome::unchanged, nullptr};
  if (status == 416 && present > 0) {  // there is more of it here than there
    ::unlink(part.c_str());
    return {Outcome::start_again, nullptr};
  }
  if (status != 200 && status != 206) fail_status(status, wanted.url);
  return {Outcome::whole, std::move(transfer.file)};
}

void remove_part(const std::string& file) {
  for (const char* suffix : {".part", ".part.etag"}) ::unlink((file + suffix).c_str());
}

bool is_same_file(std::FILE* file, const std::string& path) {
  struct stat open {}, named {};
  return ::fstat(::fileno(file), &open) == 0 && ::lstat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

void put_in_place(const Download& wanted, std::FILE* file) {
  const std::string part = wanted.file + ".part";
  if (!wanted.sha256.empty()) {
    const std::string found = sha256_of(file, part);
    if (found != wanted.sha256) {
      remove_part(wanted.file);
      throw HostError(Kind::refused, wanted.url,
                      fmt::format("what {} gives has the SHA-256 {}, not {}; it was thrown away: correct image.sha256 in the "
                                  "spec if the publisher says so, else do not use it",
                                  wanted.url, found, wanted.sha256));
    }
  }
  if (::rename(part.c_str(), wanted.file.c_str()) != 0) fail_at_file(wanted.file, "write");
  if (!is_same_file(file, wanted.file)) {
    ::unlink(wanted.file.c_str());
    throw HostError(Kind::refused, wanted.file,
                    fmt::format("{} was replaced while it was downloaded, and what lay there was removed; see who else writes to "
                                "its directory, then run the same command again",
                                part));
  }
  ::rename((part + ".etag").c_str(), (wanted.file + ".etag").c_str());
  const int directory = ::open(wanted.file.substr(0, wanted.file.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return;
  ::fsync(directory);
  ::close(directory);
}

// Whether what is there is what is wanted.
bool is_right(const Download& wanted) {
  return sha256_of(open_file(wanted.file, O_RDONLY, "r").get(), wanted.file) == wanted.sha256;
}

}  // namespace

void download(const Download& wanted, const DownloadProgress& progress) {
  static std::once_flag once;  // curl_global_init(3) must not run twice at a time
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  const bool there = size_of(wanted.file) > 0;
  if (there && !wanted.sha256.empty() && is_right(wanted)) return;
  const bool ask = there && wanted.sha256.empty() && !read_tag(wanted.file + ".etag").empty();
  Answer answer = request(wanted, progress, ask);
  if (answer.outcome == Outcome::start_again) answer = request(wanted, progress, ask);
  if (answer.outcome == Outcome::unchanged) {
    remove_part(wanted.file);
    return;
  }
  put_in_place(wanted, answer.part.get());
}

}  // namespace gpuplan
