// The log: what is going on inside, on stderr, for those who ask for it. The only user of spdlog.
#pragma once

#include <optional>
#include <string_view>

namespace gpuplan {

enum class LogLevel { debug, info, warning, error };

// "debug", "info", "warning", "error". Nothing if it is none of these.
std::optional<LogLevel> log_level_from_string(std::string_view text);

// Messages below `level` are dropped from now on. Before the first call only errors are shown.
void set_log_level(LogLevel level);

// True if a message of that level would be shown: for texts that are costly to make.
bool logs(LogLevel level);

// Writes one line to stderr: "06:25:10.123 debug TEXT", control characters made visible. Thread-safe.
void log_line(LogLevel level, std::string_view text);
void log_debug(std::string_view text);

}  // namespace gpuplan
