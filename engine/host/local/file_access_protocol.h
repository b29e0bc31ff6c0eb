// What this program and its file access child say to each other: frames of a magic number, a length
// and so many bytes. Both are the same program on the same machine, so numbers travel as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "host/local/plain_files.h"

namespace gpuplan {

// The fixed part in front of every frame: magic number and length, 4 bytes each.
inline constexpr std::size_t frame_header_size = 8;

// The magic number: two, so that a program that is no such child and merely echoes is found out.
enum class FrameKind : std::uint32_t { request = 0x47505131, answer = 0x47504131 };  // "GPQ1", "GPA1"

std::string encode(const FileRequest& request);  // header included
std::string encode(const FileAnswer& answer);

// The number of bytes that follow a header of this kind; nothing if it is another, or they are too many.
std::optional<std::size_t> frame_length(std::string_view header, FrameKind kind);

// The value in the bytes that followed a header; nothing if they do not make sense.
std::optional<FileRequest> decode_request(std::string_view bytes);
std::optional<FileAnswer> decode_answer(std::string_view bytes);

}  // namespace gpuplan
