#include <algorithm>

#include "host/virsh.h"
#include "subject.h"
#include "support/host_error_of.h"

using namespace gpuplan;

namespace {

constexpr const char* pool = contract_pool;
constexpr const char* pool_path = "/var/lib/gpuplan-contract/images";

void require_refusal(const HostError& error, HostError::Kind kind) {
  CAPTURE(error.what());
  REQUIRE(error.kind() == kind);
  REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
}

NetworkDefinition network_definition() {
  NetworkDefinition definition;
  definition.name = contract_network;
  definition.owner.cluster = "contract";
  definition.address = "10.77.0.1";
  definition.netmask = "255.255.255.0";
  definition.reservations = {{"52:54:00:00:00:01", contract_domain, "10.77.0.21"}};
  return definition;
}

}  // namespace

TEST_CASE("queries for one object return nothing if it does not exist") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  REQUIRE_FALSE(hypervisor.domain("contract-none"));
  REQUIRE_FALSE(hypervisor.network("contract-none"));
  REQUIRE_FALSE(hypervisor.pool("contract-none"));
  REQUIRE_FALSE(hypervisor.volume("contract-none", "contract-none"));
  REQUIRE(hypervisor.console_tail("contract-none", 5).empty());
  require_refusal(host_error_of([&] { hypervisor.volumes("contract-none"); }), HostError::Kind::not_found);
}

TEST_CASE("the console of this machine's domains is virsh's, over the connection in use") {
  const auto real = open_subject("this machine");
  const auto console = real->host->hypervisor().console("contract-none");
  REQUIRE(console);
  REQUIRE(*console == std::vector<std::string>{"virsh", "--connect", libvirt_uri(), "console", "--domain", "contract-none"});
  REQUIRE_FALSE(open_subject("simulated")->host->hypervisor().console("contract-none"));
}

TEST_CASE("what is done by hand is a command of virsh over that connection, where there is one") {
  const auto real = open_subject("this machine");
  REQUIRE(with_virsh(real->host->hypervisor(), {"shutdown", "other-w-1"}) ==
          " (`virsh --connect " + libvirt_uri() + " shutdown other-w-1`)");
  REQUIRE(with_virsh(real->host->hypervisor(), {"shutdown", "it's; reboot"}) ==
          " (`virsh --connect " + libvirt_uri() + " shutdown 'it'\\''s; reboot'`)");
  REQUIRE(with_virsh(open_subject("simulated")->host->hypervisor(), {"shutdown", "other-w-1"}).empty());
}

TEST_CASE("taking away an absent object is no error") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  REQUIRE_NOTHROW(hypervisor.undefine_domain("contract-none"));
  REQUIRE_NOTHROW(hypervisor.remove_network("contract-none"));
  REQUIRE_NOTHROW(hypervisor.remove_pool("contract-none"));
  REQUIRE_NOTHROW(hypervisor.delete_volume("contract-none", "contract-none"));
}

TEST_CASE("doing something with an absent object is not_found") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  const auto not_found = HostError::Kind::not_found;
  require_refusal(host_error_of([&] { hypervisor.start_domain("contract-none"); }), not_found);
  require_refusal(host_error_of([&] { hypervisor.shut_down_domain("contract-none"); }), not_found);
  require_refusal(host_error_of([&] { hypervisor.kill_domain("contract-none"); }), not_found);
  require_refusal(host_error_of([&] { hypervisor.set_autostart("contract-none", true); }), not_found);
  require_refusal(host_error_of([&] { hypervisor.start_network("contract-none"); }), not_found);
  require_refusal(host_error_of([&] { hypervisor.create_volume("contract-none", "v", 1 << 20, ""); }), not_found);
  require_refusal(host_error_of([&] { hypervisor.upload_volume("contract-none", "v", "x"); }), not_found);
  hypervisor.define_pool(pool, pool_path);
  require_refusal(host_error_of([&] { hypervisor.grow_volume(pool, "contract-none", 1 << 20); }), not_found);
  REQUIRE_NOTHROW(hypervisor.delete_volume(pool, "contract-none"));
}

TEST_CASE("a domain is defined off, and redefined under its UUID") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  const std::size_t before = hypervisor.domains().size();
  DomainDefinition definition = subject->domain(contract_domain);
  hypervisor.define_domain(render_domain(definition));
  auto state = hypervisor.domain(contract_domain);
  REQUIRE(state);
  REQUIRE(state->name == contract_domain);
  REQUIRE(state->uuid.size() == 36);
  REQUIRE(state->power == PowerState::off);
  REQUIRE_FALSE(state->autostart);
  const auto kept = parse_domain(state->xml);
  REQUIRE(kept);
  REQUIRE(kept->name == contract_domain);
  REQUIRE(kept->uuid == state->uuid);
  REQUIRE(kept->owner == definition.owner);
  REQUIRE(kept->memory_mib == 64);

  definition.uuid = state->uuid;
  definition.memory_mib = 128;
  hypervisor.define_domain(render_domain(definition));
  state = hypervisor.domain(contract_domain);
  REQUIRE(state->uuid == definition.uuid);
  REQUIRE(parse_domain(state->xml)->memory_mib == 128);
  REQUIRE(hypervisor.domains().size() == before + 1);

  definition.uuid = "11111111-2222-4333-a444-555555555555";
  REQUIRE_THROWS_AS(hypervisor.define_domain(render_domain(definition)), HostError);
  REQUIRE(hypervisor.domain(contract_domain)->uuid == kept->uuid);
  hypervisor.undefine_domain(contract_domain);
  REQUIRE_FALSE(hypervisor.domain(contract_domain));
  REQUIRE_NOTHROW(hypervisor.undefine_domain(contract_domain));
}

TEST_CASE("a document that is no domain is refused") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  for (const char* document : {"", "<domain", "<network/>", "<domain type='kvm'/>"}) {
    CAPTURE(document);
    REQUIRE_THROWS_AS(hypervisor.define_domain(document), HostError);
    REQUIRE_THROWS_AS(hypervisor.define_network(document), HostError);
  }
}

TEST_CASE("starting and stopping a domain twice is no error") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_domain(render_domain(subject->domain(contract_domain)));
  REQUIRE_NOTHROW(hypervisor.kill_domain(contract_domain));
  REQUIRE_NOTHROW(hypervisor.shut_down_domain(contract_domain));
  hypervisor.start_domain(contract_domain);
  REQUIRE_NOTHROW(hypervisor.start_domain(contract_domain));
  REQUIRE(hypervisor.domain(contract_domain)->power == PowerState::running);
  hypervisor.set_autostart(contract_domain, true);
  REQUIRE(hypervisor.domain(contract_domain)->autostart);
  hypervisor.set_autostart(contract_domain, false);
  REQUIRE_FALSE(hypervisor.domain(contract_domain)->autostart);
  hypervisor.kill_domain(contract_domain);
  REQUIRE(hypervisor.domain(contract_domain)->power == PowerState::off);
  hypervisor.undefine_domain(contract_domain);
}

TEST_CASE("a domain that was asked to shut down is off in the end") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_domain(render_domain(subject->domain(contract_domain)));
  hypervisor.start_domain(contract_domain);
  hypervisor.shut_down_domain(contract_domain);
  if (!subject->has_guests) hypervisor.kill_domain(contract_domain);  // a firmware alone does not answer
  Clock& clock = subject->host->clock();
  for (const auto end = clock.now() + 600; hypervisor.domain(contract_domain)->power != PowerState::off;) {
    REQUIRE(clock.now() < end);
    clock.sleep_for(std::chrono::seconds(10));
  }
  REQUIRE_NOTHROW(hypervisor.shut_down_domain(contract_domain));
  hypervisor.undefine_domain(contract_domain);
}

TEST_CASE("a running domain that is undefined lives on until it stops") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_domain(render_domain(subject->domain(contract_domain)));
  hypervisor.start_domain(contract_domain);
  hypervisor.undefine_domain(contract_domain);
  REQUIRE(hypervisor.domain(contract_domain)->power == PowerState::running);
  hypervisor.kill_domain(contract_domain);
  REQUIRE_FALSE(hypervisor.domain(contract_domain));
}

TEST_CASE("a network is defined, started twice and removed") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  const std::size_t before = hypervisor.networks().size();
  hypervisor.define_network(render_network(network_definition()));
  const auto defined = hypervisor.network(contract_network);
  REQUIRE(defined);
  REQUIRE(defined->uuid.size() == 36);
  REQUIRE_FALSE(defined->active);
  hypervisor.start_network(contract_network);
  REQUIRE_NOTHROW(hypervisor.start_network(contract_network));
  const auto started = hypervisor.network(contract_network);
  REQUIRE(started->active);
  REQUIRE(started->autostart);
  const auto kept = parse_network(started->xml);
  REQUIRE(kept);
  REQUIRE(kept->address == "10.77.0.1");
  REQUIRE(kept->uuid == started->uuid);
  REQUIRE(hypervisor.networks().size() == before + 1);
  hypervisor.remove_network(contract_network);
  REQUIRE_FALSE(hypervisor.network(contract_network));
  REQUIRE(hypervisor.networks().size() == before);
}

TEST_CASE("a pool is defined twice, and not moved") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_pool(pool, pool_path);
  REQUIRE_NOTHROW(hypervisor.define_pool(pool, pool_path));
  const auto state = hypervisor.pool(pool);
  REQUIRE(state);
  REQUIRE(state->active);
  REQUIRE(state->path == pool_path);
  REQUIRE(state->capacity_bytes > 0);
  REQUIRE(state->available_bytes > 0);
  REQUIRE(hypervisor.volumes(pool).empty());
  require_refusal(host_error_of([&] { hypervisor.define_pool(pool, "/elsewhere"); }), HostError::Kind::refused);
  hypervisor.remove_pool(pool);
  REQUIRE_FALSE(hypervisor.pool(pool));
}

TEST_CASE("a volume is made once, and not over an existing one") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_pool(pool, pool_path);
  hypervisor.create_volume(pool, "base.img", 4LL << 30, "");
  const auto base = hypervisor.volume(pool, "base.img");
  REQUIRE(base);
  REQUIRE(base->path == std::string(pool_path) + "/base.img");
  REQUIRE(base->capacity_bytes == 4LL << 30);
  REQUIRE(base->backing_path.empty());
  REQUIRE(base->format == "qcow2");
  hypervisor.create_volume(pool, "disk.qcow2", 8LL << 30, base->path);
  REQUIRE(hypervisor.volume(pool, "disk.qcow2")->backing_path == base->path);
  require_refusal(host_error_of([&] { hypervisor.create_volume(pool, "disk.qcow2", 1 << 20, ""); }),
                  HostError::Kind::refused);
  REQUIRE(hypervisor.volume(pool, "disk.qcow2")->capacity_bytes == 8LL << 30);
  REQUIRE(hypervisor.volumes(pool).size() == 2);
  hypervisor.delete_volume(pool, "disk.qcow2");
  REQUIRE_FALSE(hypervisor.volume(pool, "disk.qcow2"));
  REQUIRE_NOTHROW(hypervisor.delete_volume(pool, "disk.qcow2"));
}

TEST_CASE("a volume is never shrunk") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_pool(pool, pool_path);
  hypervisor.create_volume(pool, "disk.qcow2", 8LL << 30, "");
  REQUIRE_NOTHROW(hypervisor.grow_volume(pool, "disk.qcow2", 8LL << 30));
  require_refusal(host_error_of([&] { hypervisor.grow_volume(pool, "disk.qcow2", 4LL << 30); }),
                  HostError::Kind::refused);
  REQUIRE(hypervisor.volume(pool, "disk.qcow2")->capacity_bytes == 8LL << 30);
}

TEST_CASE("a base image that is there is not fetched again") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_pool(pool, pool_path);
  hypervisor.create_volume(pool, "base.img", 4LL << 30, "");
  REQUIRE_NOTHROW(hypervisor.fetch_image(pool, "base.img", {"https://example.invalid/image", "", "", std::chrono::seconds(5), {}}));
  REQUIRE(hypervisor.volume(pool, "base.img")->capacity_bytes == 4LL << 30);
}

TEST_CASE("an uploaded volume is replaced by the next upload") {
  const std::string name = EACH_HOST;
  const auto subject = open_subject(name);
  if (!subject->can_upload) return;  // libvirt's test driver
  Hypervisor& hypervisor = subject->host->hypervisor();
  hypervisor.define_pool(pool, pool_path);
  hypervisor.upload_volume(pool, "seed.iso", "first");
  REQUIRE(hypervisor.volume(pool, "seed.iso")->capacity_bytes == 5);
  hypervisor.upload_volume(pool, "seed.iso", "second");
  REQUIRE(hypervisor.volume(pool, "seed.iso")->capacity_bytes == 6);
  REQUIRE(hypervisor.volumes(pool).size() == 1);
}
