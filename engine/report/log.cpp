#include "report/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <string>

#include "report/diagnostic.h"

namespace gpuplan {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::error: break;
  }
  return spdlog::level::err;
}

// Not in spdlog's registry: that one belongs to the whole process.
spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    spdlog::logger made("gpuplan", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_pattern("%H:%M:%S.%e %l %v");
    made.set_level(spdlog::level::err);
    return made;
  }();
  return instance;
}

}  // namespace

std::optional<LogLevel> log_level_from_string(std::string_view text) {
  if (text == "debug") return LogLevel::debug;
  if (text == "info") return LogLevel::info;
  if (text == "warning") return LogLevel::warning;
  if (text == "error") return LogLevel::error;
  return std::nullopt;
}

void set_log_level(LogLevel level) { logger().set_level(level_of(level)); }

bool logs(LogLevel level) { return logger().should_log(level_of(level)); }

void log_line(LogLevel level, std::string_view text) {
  if (logs(level)) logger().log(level_of(level), "{}", printable(text));
}

void log_debug(std::string_view text) { log_line(LogLevel::debug, text); }

}  // namespace gpuplan
