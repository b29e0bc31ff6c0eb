#include "apply/journal_database.h"

#include <fmt/format.h>

#include "digest/digest.h"
#include "report/shell.h"

namespace gpuplan {
namespace {

// Strangers to SQLite cannot tell its values apart by their text alone: each with its type and its length.
void add_value(std::string& text, sqlite3_value* value) {
  if (sqlite3_value_type(value) == SQLITE_NULL) {
    text += "-;";
    return;
  }
  const bool is_integer = sqlite3_value_type(value) == SQLITE_INTEGER;
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));  // an integer becomes its digits
  const int size = sqlite3_value_bytes(value);
  const fmt::format_int length(size);
  text += is_integer ? 'i' : 't';
  text.append(length.data(), length.size());
  text += ':';
  if (bytes != nullptr) text.append(bytes, static_cast<std::size_t>(size));
}

// SQLITE_TRANSIENT, which is a C cast: SQLite copies the text at once.
sqlite3_destructor_type copied() { return reinterpret_cast<sqlite3_destructor_type>(-1); }  // NOLINT(performance-no-int-to-ptr)

// row_seal(COLUMN, …): what a row's column `seal` must hold.
void row_seal(sqlite3_context* context, int count, sqlite3_value** values) {
  constexpr int digits = 16;
  try {
    auto& text = *static_cast<std::string*>(sqlite3_user_data(context));
    text.clear();
    for (int i = 0; i < count; ++i) add_value(text, values[i]);
    const std::string seal = sha256_hex(text);
    sqlite3_result_text(context, seal.data(), digits, copied());
  } catch (const std::exception&) {
    sqlite3_result_error_nomem(context);
  }
}

constexpr int busy_limit_ms = 10'000;

struct Words {
  std::string_view reason;
  std::string remedy;
};

Words words_for(int code) {
  switch (code & 0xFF) {
    case SQLITE_FULL:
      return {"the disk is full", "free space on its file system, then run gpuplan again"};
    case SQLITE_IOERR:
      return {"the disk reported an input/output error", "check the disk (`dmesg`), then run gpuplan again"};
    case SQLITE_READONLY:
      return {"it is read-only", "check the permissions and the mount of its directory"};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return {"another process keeps it locked", "wait for that process to end, then try again"};
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return {"it cannot be opened", "check the permissions of it and its directory, or run gpuplan as its owner"};
    case SQLITE_CORRUPT:
      return {"it is damaged", damage_remedy()};
    case SQLITE_NOTADB:
      return {"it is not a journal of gpuplan", "move the file away or use another --state-dir"};
    case SQLITE_NOMEM:
      return {"there is not enough memory", "free memory, then run gpuplan again"};
    default:
      return {"SQLite refused it", "this is a defect of gpuplan: please report it"};
  }
}

int open_flags(DatabaseMode mode) {
  // No symlinks (the directory part is resolved before), and no locking of our own calls: each
  // connection serves one thread at a time.
  const int common = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_URI;
  return common | (mode == DatabaseMode::write ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
}

// https://www.sqlite.org/uri.html
std::string uri_for(const std::string& path, DatabaseMode mode) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02x}", static_cast<unsigned>(c));
    else
      uri += c;
  }
  return mode == DatabaseMode::read_immutable ? uri + "?immutable=1" : uri;
}

}  // namespace

std::string damage_remedy() {
  return fmt::format("`{}` prints what can still be read; restore it from a backup, or move it away with its -wal "
                     "and -shm files (gpuplan then no longer knows what it made)",
                     suggested("show RUN --json"));
}

void Statement::PutBack::operator()(sqlite3_stmt* statement) const {
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  shelf->emplace_back(statement, &sqlite3_finalize);
}

Statement::Statement(Database& database, sqlite3_stmt* statement, Shelf& shelf)
    : database_(database), statement_(statement, PutBack{&shelf}) {}

Statement& Statement::bind(std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_.get(), ++bound_, value);
  if (code != SQLITE_OK) database_.fail(code);
  return *this;
}

Statement& Statement::bind(std::string_view value) {
  // Never a null pointer: that would bind NULL.
  const char* data = value.empty() ? "" : value.data();
  const int code = sqlite3_bind_text(statement_.get(), ++bound_, data, static_cast<int>(value.size()), copied());
  if (code != SQLITE_OK) database_.fail(code);
  return *this;
}

Statement& Statement::bind_optional(const std::optional<std::string>& value) {
  if (value) return bind(std::string_view(*value));
  const int code = sqlite3_bind_null(statement_.get(), ++bound_);
  if (code != SQLITE_OK) database_.fail(code);
  return *this;
}

bool Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  database_.fail(code);
}

void Statement::run() {
  while (step()) {
  }
  sqlite3_reset(statement_.get());
  bound_ = 0;
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(statement_.get(), column); }

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_.get(), column));
  const int size = sqlite3_column_bytes(statement_.get(), column);
  return bytes ? std::string(bytes, static_cast<std::size_t>(size)) : std::string();
}

bool Statement::is_null(int column) const { return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL; }

Database::Database(const std::string& path, std::string name, DatabaseMode mode, const char* file_layer)
    : name_(std::move(name)), mode_(mode), connection_(nullptr, &sqlite3_close) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(uri_for(path, mode).c_str(), &opened, open_flags(mode), file_layer);
  connection_.reset(opened);  // to be closed even if it could not be opened
  if (code != SQLITE_OK) fail(code);
  sqlite3_extended_result_codes(opened, 1);
  sqlite3_busy_timeout(opened, busy_limit_ms);
  // A damaged or prepared file must not make SQLite do more than read and write rows.
  sqlite3_db_config(opened, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  for (const int power : {SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_VIEW, SQLITE_DBCONFIG_ENABLE_TRIGGER}) {
    sqlite3_db_config(opened, power, 0, nullptr);
  }
  constexpr int pure = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  const int made = sqlite3_create_function_v2(opened, "row_seal", -1, pure, &sealed_, &row_seal, nullptr, nullptr, nullptr);
  if (made != SQLITE_OK) fail(made);
}

// SQLite compares the pages that the header counts with those of the file, unless the schema may be written, which is
// meant for repairs and which a defensive connection never allows. Nothing can be written by one that only reads.
// Source: lockBtree() in SQLite's btree.c
void Database::tolerate_lost_pages() {
  sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_DEFENSIVE, 0, nullptr);
  execute("PRAGMA writable_schema = ON");
}

void Database::execute(const char* sql) {
  const int code = sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

Statement Database::prepare(std::string_view sql) {
  auto shelf = prepared_.find(sql);
  if (shelf == prepared_.end()) shelf = prepared_.emplace(sql, Statement::Shelf{}).first;
  if (!shelf->second.empty()) {
    sqlite3_stmt* const ready = shelf->second.back().release();
    shelf->second.pop_back();
    return {*this, ready, shelf->second};
  }
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v2(connection_.get(), sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) fail(code);
  return {*this, statement, shelf->second};
}

std::int64_t Database::integer(std::string_view sql) {
  Statement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::string Database::text(std::string_view sql) {
  Statement statement = prepare(sql);
  return statement.step() ? statement.text(0) : std::string();
}

void Database::fail(int code) const {
  const Words words = words_for(code);
  const char* detail = connection_ ? sqlite3_errmsg(connection_.get()) : sqlite3_errstr(code);
  throw DatabaseError(
      code, fmt::format("cannot {} the journal {}: {} (SQLite: {}); {}",
                        mode_ == DatabaseMode::write ? "write" : "read", name_, words.reason, detail, words.remedy));
}

}  // namespace gpuplan
