// The stored form of changes: what the journal and plan files hold of them.
#pragma once

#include "plugin/resource.h"

namespace gpuplan {

// How a sensitive value is stored: "sha256:" and 64 hexadecimal digits of its JSON text. No value, and
// a value that is in this form already, stay as they are. Pure.
Value stored_secret(const Value& value);

// Objects without source locations. The sensitive attributes of a change (those named in
// Change::sensitive, and those whose AttributeChange says so) are in stored form wherever they occur.
// A reader finds the same change, but for those two losses.
Json to_json(const std::vector<Address>& addresses);
Json to_json(const Resource& resource);
Json to_json(const Observation& observation);
Json to_json(const Change& change);

// Throw JsonError, naming the member, for anything that is not of the shape above.
Resource resource_from_json(const Json& json);
Observation observation_from_json(const Json& json);
Change change_from_json(const Json& json);

// `resource` with the sensitive attributes of `change` in stored form and without its source location.
Resource stored_resource(const Change& change);

}  // namespace gpuplan
