// The format of the journal's database.
#pragma once

#include <string>

#include "apply/journal_database.h"

namespace gpuplan {

inline constexpr std::int64_t journal_format_version = 2;           // PRAGMA user_version
inline constexpr std::int64_t journal_application_id = 0x6770706c;  // PRAGMA application_id: "gppl"

// Turns on what durability stands on: write-ahead log, synchronous=FULL; reads both back. Throws
// JournalError if the file system cannot do it.
void make_durable(Database& database);

// Lays out the tables for `cluster` in an empty database, in one transaction.
void lay_out(Database& database, const std::string& cluster);

// Throws JournalError unless the database is a sound journal of this format and of `cluster`.
void require_sound(Database& database, const std::string& cluster);

}  // namespace gpuplan
