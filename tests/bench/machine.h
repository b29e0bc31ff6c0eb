// What the figures were taken on.
#pragma once

#include <string>

namespace bench {

// Lines of Markdown: processor, memory, the disk that holds `directory`, compiler, load.
std::string describe_machine(const std::string& directory);

}  // namespace bench
