#include "host/sim/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "digest/digest.h"
#include "host/sim/errors.h"
#include "host/sim/model_yaml.h"
#include "yaml/parse.h"

namespace gpuplan::sim {
namespace {

// Guests' disks make current models larger than anything that people write.
constexpr YamlLimits model_limits{64U << 20U, 200, 4'000'000};

std::string canonical_path_of(const std::string& file) {
  std::error_code error;
  const auto path = std::filesystem::canonical(file, error);
  return error ? file : path.string();
}

void write_all(int descriptor, const std::string& text, const std::string& path) {
  std::size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = write(descriptor, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error = errno;
      close(descriptor);
      throw file_error("write", path, error);
    }
    done += static_cast<std::size_t>(written);
  }
}

}  // namespace

Store::Store(const std::string& file, const std::string& state_dir)
    : file_(file), canonical_(canonical_path_of(file)) {
  const std::string name = std::filesystem::path(canonical_).stem().string();
  model_path_ = fmt::format("{}/sim/{}-{}.yaml", state_dir, name, sha256_hex(canonical_).substr(0, 12));
}

Store::~Store() {
  if (lock_ >= 0) close(lock_);
}

std::string Store::model_stamp() const {
  struct stat status {};
  if (stat(model_path_.c_str(), &status) != 0) return {};
  return fmt::format("{}:{}:{}.{}", status.st_ino, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
}

std::optional<Model> Store::read_model(Diagnostics& diagnostics) {
  const auto text = read_source_file(model_path_, diagnostics, model_limits.max_bytes);
  if (!text) return std::nullopt;
  const std::size_t errors = diagnostics.error_count();
  const YamlNode document = parse_yaml(text, diagnostics, model_limits);
  if (diagnostics.error_count() != errors) return std::nullopt;
  return decode_model(document, diagnostics);
}

std::optional<Model> Store::load(Diagnostics& diagnostics) {
  const auto text = read_source_file(file_, diagnostics, model_limits.max_bytes);
  if (!text) return std::nullopt;
  origin_ = {canonical_, sha256_hex(text->text)};
  stamp_ = model_stamp();
  const std::size_t errors = diagnostics.error_count();
  std::optional<Model> model;
  if (stamp_.empty()) {
    const YamlNode document = parse_yaml(text, diagnostics, model_limits);
    if (diagnostics.error_count() == errors) model = decode_model(document, diagnostics);
    if (model) model->source = origin_;
    return model;
  }
  model = read_model(diagnostics);
  if (!model) {
    diagnostics.add({Severity::error, fmt::format("the current model of the simulated host cannot be read: {}", model_path_),
                     "", fmt::format("to start again from {}, remove that file", file_), "", std::nullopt});
  } else if (model->source && model->source->sha256 != origin_.sha256) {
    diagnostics.add({Severity::warning, fmt::format("{} was edited after the simulated host had been changed", file_),
                     fmt::format("what counts is the current model in {}", model_path_),
                     "to start again from the edited file, remove the current model", "", std::nullopt});
  }
  return model;
}

std::optional<Model> Store::begin_changes() {
  if (lock_ >= 0) return std::nullopt;
  const std::filesystem::path path = model_path_;
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) throw file_error("create", path.parent_path().string(), error.value());
  const std::string lock_path = model_path_ + ".lock";
  const int descriptor = open(lock_path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  if (descriptor < 0) throw file_error("open", lock_path, errno);
  if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    close(descriptor);
    throw HostError(HostError::Kind::busy, file_,
                    fmt::format("the simulated host {} is being changed by another process; wait until that has ended",
                                file_));
  }
  lock_ = descriptor;
  if (model_stamp() == stamp_) return std::nullopt;
  Diagnostics diagnostics;
  auto model = read_model(diagnostics);
  if (!model) {
    throw HostError(HostError::Kind::failed, model_path_,
                    fmt::format("the current model of the simulated host cannot be read: {}; to start again from {}, remove "
                                "that file",
                                model_path_, file_));
  }
  return model;
}

void Store::save(const Model& model) {
  const std::string temporary = model_path_ + ".new";
  const int descriptor = open(temporary.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor < 0) throw file_error("create", temporary, errno);
  write_all(descriptor, encode_model(model), temporary);
  close(descriptor);
  if (std::rename(temporary.c_str(), model_path_.c_str()) != 0) throw file_error("replace", model_path_, errno);
}

}  // namespace gpuplan::sim
