// Where the current model of a simulated host is kept between processes.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "host/sim/model.h"
#include "report/diagnostic.h"

namespace gpuplan::sim {

// The file given, read only, and STATE_DIR/sim/NAME-HASH.yaml. Not thread-safe.
class Store {
 public:
  // Touches nothing yet. `file` exists or load() says so.
  Store(const std::string& file, const std::string& state_dir);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // The current model, or the one of the file given. Nothing after errors in `diagnostics`.
  std::optional<Model> load(Diagnostics& diagnostics);

  // Before the first change: locks the model against other processes (HostError::busy) until this
  // object ends. Returns the model as another process has left it since load(), if one has.
  std::optional<Model> begin_changes();
  bool changes_begun() const { return lock_ >= 0; }
  // Replaces the current model atomically. Not durable against a crash of the machine: it is a model.
  void save(const Model& model);

  const std::string& canonical_path() const { return canonical_; }
  const std::string& model_path() const { return model_path_; }

 private:
  std::optional<Model> read_model(Diagnostics& diagnostics);
  // Changes whenever the file at model_path_ does.
  std::string model_stamp() const;

  std::string file_;
  std::string canonical_;
  std::string model_path_;
  std::string stamp_;
  Origin origin_;
  int lock_ = -1;
};

}  // namespace gpuplan::sim
