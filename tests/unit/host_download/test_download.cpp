// Downloads, from a real server on a loopback address.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "digest/digest.h"
#include "host/download/kept_downloads.h"
#include "host/interrupt.h"
#include "support/host_error_of.h"
#include "support/temporary_directory.h"

using namespace gpuplan;
using Kind = HostError::Kind;

namespace {

constexpr std::chrono::seconds limit{60};

std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream all;
  all << in.rdbuf();
  return all.str();
}

void write(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }

std::string document(char seed) {
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += static_cast<char>(seed + i % 61);
  return text;
}

class WebServer {
 public:
  WebServer() {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    child_ = fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      execlp("python3", "python3", GPUPLAN_SOURCE_DIR "/tests/unit/host_download/web_server.py", directory.path().c_str(),
             nullptr);
      _exit(127);
    }
    close(ends[1]);
    std::FILE* in = fdopen(ends[0], "r");
    REQUIRE(std::fscanf(in, "%d", &port_) == 1);
    std::fclose(in);
    write(directory / "document", document('!'));
  }
  ~WebServer() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }
  WebServer(const WebServer&) = delete;
  WebServer& operator=(const WebServer&) = delete;

  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::string log() const { return content_of(directory / "log"); }
  void cut_after(int bytes) const { write(directory / "cut", std::to_string(bytes)); }

  TemporaryDirectory directory;

 private:
  pid_t child_ = 0;
  int port_ = 0;
};

struct Rig {
  WebServer server;
  TemporaryDirectory here;
  std::string file = here / "image";

  void fetch(const std::string& path = "/image", const std::string& sha256 = "") const {
    download({server.url(path), file, sha256, limit}, {});
  }
};

}  // namespace

TEST_CASE("a download is whole, private, and reports its progress") {
  Rig rig;
  std::int64_t last = 0, all = 0;
  download({rig.server.url("/image"), rig.file, sha256_hex(document('!')), limit}, [&](std::int64_t done, std::int64_t total) {
    REQUIRE(done >= last);
    last = done;
    all = total;
  });
  REQUIRE(content_of(rig.file) == document('!'));
  REQUIRE(last > 0);
  REQUIRE(all == 300'000);
  struct stat status {};
  REQUIRE(stat(rig.file.c_str(), &status) == 0);
  REQUIRE((status.st_mode & 077U) == 0);
  REQUIRE_FALSE(std::filesystem::exists(rig.file + ".part"));
}

TEST_CASE("what broke off goes on where it was") {
  Rig rig;
  rig.server.cut_after(200'000);
  const HostError error = host_error_of([&] { rig.fetch(); });
  REQUIRE(error.kind() == Kind::unreachable);
  REQUIRE_THAT(error.what(), contains("what has come so far is kept"));
  REQUIRE_FALSE(std::filesystem::exists(rig.file));
  SECTION("if the server still has the same") {
    rig.fetch("/image", sha256_hex(document('!')));
    REQUIRE(content_of(rig.file) == document('!'));
    REQUIRE_THAT(rig.server.log(), contains("/image bytes=200000- 206"));
  }
  SECTION("and begins anew if the server has something else") {
    write(rig.server.directory / "document", document('"'));
    rig.fetch();
    REQUIRE(content_of(rig.file) == document('"'));
    REQUIRE_THAT(rig.server.log(), contains("/image bytes=200000- 200"));
  }
  SECTION("also if the server has less now") {
    write(rig.server.directory / "document", "short");
    rig.fetch();
    REQUIRE(content_of(rig.file) == "short");
  }
}

TEST_CASE("a part that is longer than the whole is thrown away") {
  Rig rig;
  rig.server.cut_after(200'000);
  REQUIRE_THROWS_AS(rig.fetch(), HostError);
  write(rig.file + ".part", document('!') + "more");
  rig.fetch();
  REQUIRE(content_of(rig.file) == document('!'));
  REQUIRE_THAT(rig.server.log(), contains(" 416\n"));
}

TEST_CASE("what is there already is not fetched again") {
  Rig rig;
  SECTION("with a digest, without asking") {
    write(rig.file, document('!'));
    rig.fetch("/image", sha256_hex(document('!')));
    REQUIRE(rig.server.log().empty());
  }
  SECTION("without one, if the server says so") {
    rig.fetch();
    rig.fetch();
    REQUIRE(rig.server.log() == "/image - 200\n/image - 304\n");
    write(rig.server.directory / "document", document('"'));
    rig.fetch();
    REQUIRE(content_of(rig.file) == document('"'));
  }
}

TEST_CASE("another digest is refused, and nothing stays") {
  Rig rig;
  const HostError error = host_error_of([&] { rig.fetch("/image", std::string(64, '0')); });
  REQUIRE(error.kind() == Kind::refused);
  REQUIRE_THAT(error.what(), contains("has the SHA-256 " + sha256_hex(document('!')) + ", not " + std::string(64, '0')));
  REQUIRE(std::filesystem::is_empty(rig.here.path()));
}

TEST_CASE("a server's refusals are told apart") {
  Rig rig;
  REQUIRE(host_error_of([&] { rig.fetch("/nothing"); }).kind() == Kind::not_found);
  REQUIRE_THAT(host_error_of([&] { rig.fetch("/nothing"); }).what(), contains("HTTP status 404; the image is not there any more: correct image.url"));
  rig.fetch("/moved");
  REQUIRE(content_of(rig.file) == document('!'));
  REQUIRE_THROWS_AS(rig.fetch("/to-file"), HostError);
  REQUIRE_THAT(host_error_of([&] { rig.fetch("/round"); }).what(), contains("redirected again and again"));
  const auto nobody = [&](const char* url) {
    return host_error_of([&] { download({url, rig.file, "", limit}, {}); });
  };
  REQUIRE(nobody("http://127.0.0.1:1/x").kind() == Kind::unreachable);
  REQUIRE_THAT(nobody("http://gpuplan.invalid/x").what(), contains("its host name is not known here; try that address with `curl -I`"));
  REQUIRE(nobody("file:///etc/hostname").kind() == Kind::refused);
}

TEST_CASE("an interrupt ends a download at once, and what has come stays") {
  Rig rig;
  Interrupt::request(SIGINT);
  REQUIRE_THROWS_AS(rig.fetch(), Interrupted);
  Interrupt::request(0);
  rig.fetch();
  REQUIRE(content_of(rig.file) == document('!'));
}

TEST_CASE("a link in the place of the file is not followed") {
  Rig rig;
  const std::string victim = rig.here / "victim";
  write(victim, "precious");
  REQUIRE(symlink(victim.c_str(), (rig.file + ".part").c_str()) == 0);
  REQUIRE_THROWS_AS(rig.fetch(), HostError);
  REQUIRE(content_of(victim) == "precious");
}

TEST_CASE("a file that is swapped while it is downloaded is not taken for the download") {
  Rig rig;
  const std::string other = rig.here / "other";
  const auto fetch = [&](const std::string& sha256) {
    bool swapped = false;
    const auto swap = [&](std::int64_t, std::int64_t) {
      if (!swapped) std::filesystem::rename(other, rig.file + ".part");
      swapped = true;
    };
    const HostError error = host_error_of([&] { download({rig.server.url("/image"), rig.file, sha256, limit}, swap); });
    REQUIRE(swapped);
    REQUIRE(error.kind() == Kind::refused);
    REQUIRE_FALSE(std::filesystem::exists(rig.file));
    return std::string(error.what());
  };
  SECTION("for what would be right, while something else comes") {
    write(other, document('"'));
    REQUIRE_THAT(fetch(sha256_hex(document('"'))), contains("has the SHA-256 " + sha256_hex(document('!'))));
  }
  SECTION("for something else, while what is right comes") {
    write(other, document('"'));
    REQUIRE_THAT(fetch(sha256_hex(document('!'))), contains(rig.file + ".part was replaced while it was downloaded"));
  }
  SECTION("without a digest") {
    write(other, document('"'));
    REQUIRE_THAT(fetch(""), contains("; see who else writes to its directory, then run the same command again"));
  }
}

TEST_CASE("a file that is not this user's alone is neither written to nor used") {
  Rig rig;
  const std::string name = GENERATE("", ".part", ".part.etag");
  const std::string path = rig.file + name;
  SECTION("a pipe") {
    if (name != ".part") return;  // no file is there: it is replaced
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  }
  SECTION("writable by others") {
    write(path, document('!'));
    REQUIRE(chmod(path.c_str(), 0622) == 0);
  }
  SECTION("of another user") {
    if (geteuid() != 0) return;
    write(path, document('!'));
    REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
  }
  const HostError error = host_error_of([&] { rig.fetch("/image", sha256_hex(document('!'))); });
  REQUIRE(error.kind() == Kind::refused);
  REQUIRE_THAT(error.what(), contains(path + " is not a file of this user alone"));
  REQUIRE(rig.server.log().empty());
}

TEST_CASE("kept downloads are found again, and cleared") {
  Rig rig;
  const KeptDownloads kept(rig.here / "cache");
  const std::string first = kept.bring(rig.server.url("/image"), "", limit, {});
  REQUIRE(content_of(first) == document('!'));
  REQUIRE(kept.bring(rig.server.url("/image"), "", limit, {}) == first);
  REQUIRE(kept.bring(rig.server.url("/moved"), "", limit, {}) != first);
  kept.clear();
  REQUIRE_FALSE(std::filesystem::exists(rig.here / "cache"));
  kept.clear();
}

TEST_CASE("a directory in which others can write keeps nothing") {
  Rig rig;
  const std::string cache = rig.here / "cache";
  std::filesystem::create_directory(cache);
  std::filesystem::permissions(cache, std::filesystem::perms::all);
  const HostError error = host_error_of([&] { KeptDownloads(cache).bring(rig.server.url("/image"), "", limit, {}); });
  REQUIRE(error.kind() == Kind::refused);
  REQUIRE(rig.server.log().empty());
  REQUIRE_THROWS_AS(KeptDownloads("").bring(rig.server.url("/image"), "", limit, {}), HostError);
}

TEST_CASE("root keeps nothing below a directory in which others can write") {
  if (geteuid() != 0) return;
  Rig rig;
  const std::string parent = rig.here / "parent";
  std::filesystem::create_directory(parent);
  REQUIRE(chmod(parent.c_str(), 0777) == 0);
  const HostError error = host_error_of([&] { KeptDownloads(parent + "/cache").bring(rig.server.url("/image"), "", limit, {}); });
  REQUIRE(error.kind() == Kind::refused);
  REQUIRE_THAT(error.what(), contains("others than root can change " + parent + ", so nothing is downloaded to " + parent));
  REQUIRE(rig.server.log().empty());
}
