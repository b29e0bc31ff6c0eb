// Certificates as text.
#pragma once

#include <string>
#include <string_view>

namespace gpuplan {

// What keeps `pem` from being nothing but X.509 certificates in PEM, at least one: "it holds a PRIVATE KEY". Empty if
// nothing does. Text between the certificates is allowed, as `openssl x509 -text` writes it. Thread-safe.
std::string certificate_problem(std::string_view pem);

}  // namespace gpuplan
