#include "generated_specs.h"

#include <cstdint>

namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20U;
// The most that is read, less what the texts below have around their repeated part.
constexpr std::size_t nearly_the_limit = mebibyte - 64;

// `piece` as often as fits into `size` bytes, piece by piece: a test that holds 100 MB would count as
// memory of the program that it starts.
void repeat(std::ostream& out, const std::string& piece, std::size_t size) {
  for (std::size_t written = 0; written + piece.size() <= size; written += piece.size()) out << piece;
}

std::function<void(std::ostream&)> repeated(const std::string& before, const std::string& piece, std::size_t size,
                                            const std::string& after = {}) {
  return [=](std::ostream& out) {
    out << before;
    repeat(out, piece, size);
    out << after;
  };
}

std::function<void(std::ostream&)> levels(const std::string& piece, std::size_t count) {
  return repeated({}, piece, piece.size() * count);
}

std::function<void(std::ostream&)> numbered(const std::string& before, const std::string& piece,
                                            const std::string& after, std::size_t count) {
  return [=](std::ostream& out) {
    out << before;
    for (std::size_t i = 0; i < count; ++i) out << piece << i << after;
  };
}

void noise(std::ostream& out, std::size_t size) {
  std::uint64_t state = 88172645463325252U;  // xorshift64: the same bytes everywhere
  for (std::size_t i = 0; i < size; ++i) {
    state ^= state << 13U;
    state ^= state >> 7U;
    state ^= state << 17U;
    out.put(static_cast<char>(state & 0xFFU));
  }
}

void staircase(std::ostream& out) {
  for (std::size_t depth = 0; depth < 1400; ++depth) out << std::string(depth, ' ') << "a:\n";
}

// Ten anchors, each a list of 90 of the one before: 90^9 leaves.
void wide_alias_bomb(std::ostream& out) {
  out << "x-0: &a0 lol\n";
  for (int level = 1; level < 10; ++level) {
    out << "x-" << level << ": &a" << level << " [";
    for (int i = 0; i < 90; ++i) out << (i > 0 ? ", " : "") << "*a" << level - 1;
    out << "]\n";
  }
}

// One text of 500 KB, and 50,000 aliases of it: 25 GB for a reader that copies.
void quadratic_alias_bomb(std::ostream& out) {
  out << "x-a: &a " << std::string(500'000, 'a') << "\nx-b:\n";
  repeat(out, "- *a\n", 250'000);
}

void merge_key_chain(std::ostream& out) {
  out << "m0: &m0 {a: b}\n";
  for (int i = 1; i < 5000; ++i) out << "m" << i << ": &m" << i << "\n  <<: [*m" << i - 1 << ", *m" << i - 1 << "]\n";
}

}  // namespace

const std::vector<GeneratedSpec>& generated_specs() {
  static const std::vector<GeneratedSpec> specs = {
      {"huge-spec", repeated("gpus:\n", "  - pci_address: \"0000:0a:00.0\"\n", 100 * mebibyte)},
      {"huge-zeros", repeated({}, std::string(4096, '\0'), 100 * mebibyte)},
      {"huge-line", repeated("cluster: ", std::string(4096, 'a'), 100 * mebibyte)},
      {"binary-noise", [](std::ostream& out) { noise(out, mebibyte); }},
      {"binary-noise-behind-text",
       [](std::ostream& out) {
         out << "cluster: gpu\nverify: ";
         noise(out, 4096);
       }},
      {"binary-zeros", repeated({}, std::string(64, '\0'), mebibyte)},
      {"nested-brackets", levels("[", 20'000)},
      {"nested-brackets-on-lines", levels("[\n", 20'000)},
      {"nested-braces", levels("{a: ", 20'000)},
      {"nested-lists", levels("- ", 20'000)},
      {"nested-keys", levels("? ", 20'000)},
      {"nested-staircase", staircase},
      {"nested-behind-known-key", repeated("gpu_operator: {values: ", "{a: ", 80'000)},
      {"alias-bomb-wide", wide_alias_bomb},
      {"alias-bomb-quadratic", quadratic_alias_bomb},
      {"merge-key-chain", merge_key_chain},
      {"unclosed-brackets", repeated("gpus: [", "a,\n", nearly_the_limit)},
      {"unclosed-quote", repeated("cluster: \"", "aaaaaaa\n", nearly_the_limit)},
      {"values-on-one-line", repeated("gpu_device_ids: [", "a, ", nearly_the_limit)},
      {"many-values", repeated("gpu_device_ids:\n", "- a\n", nearly_the_limit)},
      {"many-bad-device-ids", repeated("gpu_device_ids:\n", "- \"10de:2330 \"\n", 600'000)},
      {"many-gpus", numbered("gpus:\n", "  - pci_address: \"", "\"\n", 1025)},
      {"many-workers", numbered("worker_gpu_assignment:\n", "  worker-", ": []\n", 1025)},
      {"many-unknown-keys", numbered({}, "key", ": 1\n", 20'000)},
      {"many-equal-keys", repeated({}, "cluster: gpu\n", nearly_the_limit)},
      {"many-documents", repeated({}, "---\n", nearly_the_limit)},
      {"comments-only", repeated({}, "# nothing\n", nearly_the_limit)},
      {"long-cluster", repeated("cluster: ", "a", nearly_the_limit)},
      {"long-key", repeated("? ", "a", nearly_the_limit, "\n: 1\n")},
      {"long-extension-key", repeated("? x-", "a", nearly_the_limit - 200, "\n: 1\nb0: 1\nb1: 1\nb2: 1\nb3: 1\n")},
      {"long-worker", repeated("worker_gpu_assignment:\n  ? ", "a", nearly_the_limit - 4000,
                               "\n  : [" + std::string(1500, ',').replace(0, 1, "x") + "]\n")},
      {"long-number", repeated("host: {memory_reserve: ", "9", nearly_the_limit, "}\n")},
      {"long-path", repeated("storage: {path: ", "/..", nearly_the_limit, "}\n")},
  };
  return specs;
}
