// JSON text and values. The only folder that includes nlohmann/json.
#pragma once

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

// Compiled once, in json.cpp: it is the costliest template that most files use.
extern template class nlohmann::basic_json<>;

namespace gpuplan {

// Objects keep their keys sorted, so that equal values print equal text.
using Json = nlohmann::json;

// Text that is not JSON. what() names the origin, the byte offset and what was expected.
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Parses one JSON document. `origin` names the text in errors ("output of kubectl get nodes").
// Throws JsonError on malformed text and on nesting deeper than 200. Thread-safe.
Json parse_json(std::string_view text, std::string_view origin);

// Prints `value` as block-style YAML, strings always double-quoted (JSON escapes are valid YAML
// escapes: YAML 1.2, 5.7). Objects become mappings in key order; a document ends with a newline.
std::string to_yaml(const Json& value);

// Lenient readers for documents made by other programs: the fallback answers for a member that is
// missing or has another type. `path` is a JSON pointer (RFC 6901), "/metadata/name".
std::string string_at(const Json& value, std::string_view path, std::string_view fallback = "");
bool bool_at(const Json& value, std::string_view path, bool fallback = false);
std::int64_t int_at(const Json& value, std::string_view path, std::int64_t fallback = 0);
// The member, or a null value.
const Json& member_at(const Json& value, std::string_view path);

}  // namespace gpuplan
