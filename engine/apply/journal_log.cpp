#include "apply/journal_log.h"

#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>

namespace gpuplan {
namespace {

constexpr std::size_t header_size = 32;
constexpr std::size_t frame_header_size = 24;
constexpr std::uint32_t little_endian_magic = 0x377f0682;
constexpr std::uint32_t big_endian_magic = 0x377f0683;

std::uint32_t word_at(std::string_view bytes, std::size_t at, bool big_endian = true) {
  std::uint32_t word = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[at + (big_endian ? i : 3 - i)]);
    word = (word << 8U) | byte;
  }
  return word;
}

// SQLite's own checksum, over everything that was added so far.
struct Checksum {
  bool big_endian = false;
  std::uint32_t first = 0, second = 0;

  void add(std::string_view bytes) {
    for (std::size_t at = 0; at + 8 <= bytes.size(); at += 8) {
      first += word_at(bytes, at, big_endian) + second;
      second += word_at(bytes, at + 4, big_endian) + first;
    }
  }
  bool is_at(std::string_view bytes, std::size_t at) const {
    return word_at(bytes, at) == first && word_at(bytes, at + 4) == second;
  }
};

// Where a log that is damaged stops to make sense, in bytes; nothing for one that is not.
std::optional<std::size_t> place_of_damage(std::string_view log) {
  constexpr std::size_t smallest_page = 512, largest_page = 65536;
  if (log.size() < header_size + frame_header_size + smallest_page) return std::nullopt;  // not one whole frame
  const std::uint32_t magic = word_at(log, 0);
  Checksum sum{magic == big_endian_magic};
  sum.add(log.substr(0, frame_header_size));
  const std::size_t page = word_at(log, 8);
  const bool is_whole = (magic == little_endian_magic || magic == big_endian_magic) && sum.is_at(log, 24) &&
                        page >= smallest_page && page <= largest_page;
  if (!is_whole) return 0;  // SQLite syncs the header before it writes a frame
  const std::string_view salts = log.substr(16, 8);
  const std::size_t frame = frame_header_size + page;
  std::optional<std::size_t> broken;
  int ends = 0;
  for (std::size_t at = header_size; at + frame <= log.size(); at += frame) {
    const bool of_this_log = log.substr(at + 8, 8) == salts;  // others are left over from an earlier one
    if (!broken) {
      sum.add(log.substr(at, 8));
      sum.add(log.substr(at + frame_header_size, page));
      if (!of_this_log || !sum.is_at(log, at + 16)) broken = at;
    }
    const bool ends_transaction = word_at(log, at + 4) != 0;
    if (broken && of_this_log && ends_transaction) ++ends;
  }
  return ends >= 2 ? broken : std::nullopt;
}

std::string read_log(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

bool is_log_damaged(const std::string& path) {
  const auto place = place_of_damage(read_log(path));
  // A log that grows while it is read looks damaged where it grew: damage stays where it is.
  return place && place_of_damage(read_log(path)) == place;
}

}  // namespace gpuplan
