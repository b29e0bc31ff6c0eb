// The write-ahead log that SQLite leaves beside a journal when the program was killed.
// Source: https://www.sqlite.org/fileformat2.html#the_write_ahead_log
#pragma once

#include <string>

namespace gpuplan {

// SQLite reads a log up to the first frame whose checksum is wrong, and takes what follows for a transaction that was not
// finished. In a journal only the last one can be that, for each is durable before the next begins. True if two or more
// transactions end in or behind such a frame, or if the header is wrong and frames follow: records were damaged, and
// SQLite would leave out all that came after them. False if there is no log. `path` is the log's. Damage to the last
// transaction alone cannot be told from one that was cut short. Another process may be writing the log. Thread-safe.
bool is_log_damaged(const std::string& path);

}  // namespace gpuplan
