// File access as values: what to do and what came of it. Carried out in this process or in a child.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace gpuplan {

enum class FileOperation : std::uint8_t { read, list, read_link, kind, write };

inline constexpr std::size_t largest_file = 16U << 20U;

struct FileRequest {
  FileOperation operation = FileOperation::read;
  std::string path;
  std::string content;  // of a write
};

struct FileAnswer {
  int error = 0;     // an errno value; 0: done
  // read: the content. list: the sorted names, each followed by a zero byte. read_link: the target.
  // kind: the FileKind as a digit. write: the number of bytes that the file took, in decimal.
  std::string data;
};

// Carries out the request with plain system calls, for as long as they take. A file of more than
// largest_file bytes is EFBIG. Thread-safe.
FileAnswer perform(const FileRequest& request);

}  // namespace gpuplan
