// The cloud-init seed: its documents, and the image as another program reads it.
#include "host/seed/seed.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace gpuplan;

namespace {

SeedDefinition worker_seed() {
  SeedDefinition definition;
  definition.instance_id = "gpu-worker-1";
  definition.host_name = "gpu-worker-1";
  definition.mac = "52:54:00:aa:bb:01";
  definition.address = "192.168.130.21";
  definition.prefix = 24;
  definition.gateway = "192.168.130.1";
  definition.name_servers = {"192.168.130.1"};
  definition.authorized_key = "ssh-ed25519 AAAAlogin gpuplan";
  definition.host_key = "-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n-----END OPENSSH PRIVATE KEY-----\n";
  definition.host_key_public = "ssh-ed25519 AAAAhost";
  return definition;
}

}  // namespace

TEST_CASE("the seed's documents") {
  const SeedFiles files = render_seed(worker_seed());
  CHECK(files.user_data.rfind("#cloud-config\n", 0) == 0);
  CHECK_THAT(files.user_data, contains("\"hostname\": \"gpu-worker-1\""));
  CHECK(files.meta_data == "\"instance-id\": \"gpu-worker-1\"\n\"local-hostname\": \"gpu-worker-1\"\n");
  CHECK_THAT(files.network_config, contains("- \"192.168.130.21/24\""));
  CHECK_THAT(files.network_config, contains("\"macaddress\": \"52:54:00:aa:bb:01\""));
  CHECK_THAT(files.network_config, contains("\"via\": \"192.168.130.1\""));
}

TEST_CASE("a guest knows its keys before it boots, and lets nobody in by password") {
  const SeedFiles files = render_seed(worker_seed());
  CHECK_THAT(files.user_data, contains("\"ssh_authorized_keys\":\n  - \"ssh-ed25519 AAAAlogin gpuplan\"\n"));
  CHECK_THAT(files.user_data, contains("\"ed25519_public\": \"ssh-ed25519 AAAAhost\""));
  CHECK_THAT(files.user_data, contains("BEGIN OPENSSH PRIVATE KEY-----\\nsecret\\n"));
  CHECK_THAT(files.user_data, contains("\"disable_root\": false"));
  CHECK_THAT(files.user_data, contains("\"ssh_pwauth\": false"));
  for (const std::string* other : {&files.meta_data, &files.network_config}) CHECK(other->find("secret") == std::string::npos);
}

TEST_CASE("a guest installs nothing at its first boot where it does not know yet from where") {
  SeedDefinition definition = worker_seed();
  CHECK_THAT(render_seed(definition).user_data, contains("\"packages\":\n  - \"qemu-guest-agent\""));
  definition.installs_packages = false;
  const std::string user_data = render_seed(definition).user_data;
  CHECK_THAT(user_data, !contains("packages") && !contains("qemu-guest-agent"));
  CHECK_THAT(user_data, contains("sysctl"));
}

TEST_CASE("the image is ISO 9660 with the label cidata") {
  const std::string image = pack_seed(render_seed(worker_seed()));
  REQUIRE(image.size() > 0x8800);
  CHECK(image.size() % 2048 == 0);
  CHECK(image.substr(0x8001, 5) == "CD001");
  // The primary volume descriptor's volume identifier: ECMA-119 8.4.
  const std::string label = image.substr(0x8000 + 40, 6);
  CHECK((label == "CIDATA" || label == "cidata"));
}

TEST_CASE("the image holds each document as one whole extent") {
  const SeedFiles files = render_seed(worker_seed());
  const std::string image = pack_seed(files);
  for (const std::string* content : {&files.user_data, &files.meta_data, &files.network_config}) {
    const std::size_t at = image.find(*content);
    REQUIRE(at != std::string::npos);
    CHECK(at % 2048 == 0);
  }
}

TEST_CASE("another program reads the image's files back") {
  const TemporaryDirectory directory;
  const SeedFiles files = render_seed(worker_seed());
  std::ofstream(directory / "seed.iso", std::ios::binary) << pack_seed(files);
  REQUIRE(std::system(("bsdtar -x -f '" + (directory / "seed.iso") + "' -C '" + directory.path() + "'").c_str()) ==
          0);
  const auto read = [&](const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(directory / name).rdbuf();
    return text.str();
  };
  CHECK(read("user-data") == files.user_data);
  CHECK(read("meta-data") == files.meta_data);
  CHECK(read("network-config") == files.network_config);
}
