// SQLite with exceptions that people can read. Only FaultyDisk, below it, includes sqlite3.h as well.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apply/journal.h"

namespace gpuplan {

// What to do about a damaged journal.
std::string damage_remedy();

// What a database operation failed with; what() is a whole sentence.
class DatabaseError : public JournalError {
 public:
  DatabaseError(int code, const std::string& sentence)
      : JournalError(sentence, (code & 0xFF) == SQLITE_CORRUPT || (code & 0xFF) == SQLITE_NOTADB), code_(code) {}
  int code() const { return code_; }  // SQLite's extended result code

 private:
  int code_;
};

class Database;

// One prepared statement. Parameters are always bound, in order. Not thread-safe.
class Statement {
 public:
  // Statements that are prepared and not in use. A journal has few texts and runs each of them often.
  using Shelf = std::vector<std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)>>;

  // Binds the next parameter.
  Statement& bind(std::int64_t value);
  Statement& bind(std::string_view value);
  Statement& bind_optional(const std::optional<std::string>& value);  // nothing: NULL
  // Goes to the next row; false after the last. Throws DatabaseError.
  bool step();
  // For one that returns no rows: runs it and makes it ready for the next set of parameters.
  void run();

  std::int64_t integer(int column) const;
  std::string text(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct PutBack {
    Shelf* shelf;
    void operator()(sqlite3_stmt* statement) const;
  };
  Statement(Database& database, sqlite3_stmt* statement, Shelf& shelf);
  Database& database_;
  std::unique_ptr<sqlite3_stmt, PutBack> statement_;
  int bound_ = 0;
};

enum class DatabaseMode {
  write,
  read,
  read_immutable,  // without looking at locks or a write-ahead log: only for files that nobody writes
};

// A connection. May move between threads, but serves one at a time.
class Database {
 public:
  // `name` is the path in error texts. Does not create the file. `file_layer` names another one than SQLite's own (see
  // FaultyDisk) and may be null. Throws DatabaseError.
  Database(const std::string& path, std::string name, DatabaseMode mode, const char* file_layer = nullptr);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Reads a file that has lost pages as far as it goes; SQLite refuses the whole of it otherwise. For a connection that
  // only reads, before its first statement.
  void tolerate_lost_pages();

  void execute(const char* sql);
  Statement prepare(std::string_view sql);
  std::int64_t integer(std::string_view sql);  // of the first column of the first row; 0 without one
  std::string text(std::string_view sql);

  std::int64_t changed_rows() const { return sqlite3_changes(connection_.get()); }
  std::int64_t last_row_id() const { return sqlite3_last_insert_rowid(connection_.get()); }
  bool in_transaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }
  const std::string& name() const { return name_; }
  [[noreturn]] void fail(int code) const;

 private:
  friend class Statement;
  std::string name_;
  DatabaseMode mode_;
  std::string sealed_;  // what row_seal is computing a seal of: one buffer for all rows
  std::unique_ptr<sqlite3, int (*)(sqlite3*)> connection_;
  std::map<std::string, Statement::Shelf, std::less<>> prepared_;  // by text; goes before the connection does
};

}  // namespace gpuplan
