#include "host/local/file_access_protocol.h"

#include <cstring>

namespace gpuplan {
namespace {

constexpr std::size_t longest_frame = largest_file + (64U << 10U);

void append_number(std::string& out, std::uint32_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// Takes a number off the front of `bytes`, which must be long enough.
std::uint32_t take_number(std::string_view& bytes) {
  std::uint32_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  bytes.remove_prefix(sizeof number);
  return number;
}

std::string frame(FrameKind kind, const std::string& bytes) {
  std::string out;
  out.reserve(frame_header_size + bytes.size());
  append_number(out, static_cast<std::uint32_t>(kind));
  append_number(out, static_cast<std::uint32_t>(bytes.size()));
  return out + bytes;
}

}  // namespace

std::string encode(const FileRequest& request) {
  std::string bytes;
  append_number(bytes, static_cast<std::uint32_t>(request.operation));
  append_number(bytes, static_cast<std::uint32_t>(request.path.size()));
  return frame(FrameKind::request, bytes + request.path + request.content);
}

std::string encode(const FileAnswer& answer) {
  std::string bytes;
  append_number(bytes, static_cast<std::uint32_t>(answer.error));
  return frame(FrameKind::answer, bytes + answer.data);
}

std::optional<std::size_t> frame_length(std::string_view header, FrameKind kind) {
  if (header.size() != frame_header_size || take_number(header) != static_cast<std::uint32_t>(kind)) return std::nullopt;
  const std::size_t length = take_number(header);
  if (length > longest_frame) return std::nullopt;
  return length;
}

std::optional<FileRequest> decode_request(std::string_view bytes) {
  if (bytes.size() < 2 * sizeof(std::uint32_t)) return std::nullopt;
  const std::uint32_t operation = take_number(bytes);
  const std::size_t path_size = take_number(bytes);
  if (operation > static_cast<std::uint32_t>(FileOperation::write) || path_size > bytes.size()) return std::nullopt;
  return FileRequest{static_cast<FileOperation>(operation), std::string(bytes.substr(0, path_size)),
                     std::string(bytes.substr(path_size))};
}

std::optional<FileAnswer> decode_answer(std::string_view bytes) {
  if (bytes.size() < sizeof(std::uint32_t)) return std::nullopt;
  const auto error = static_cast<int>(take_number(bytes));
  return FileAnswer{error, std::string(bytes)};
}

}  // namespace gpuplan
