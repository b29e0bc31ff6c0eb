// What OpenSSH's programs print, and the key files that they leave: the part `pub` is a public key file, the others
// are the answers of ssh and ssh-keygen.
#include "host/ssh/ssh_guests.h"

#include "fuzz/scripted_host.h"

using namespace gpuplan;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<fuzz::Part> parts = fuzz::parts(data, size);
  fuzz::Answers answers(parts);
  test::MemoryHost host;
  const std::string keys = "/keys/";
  for (const char* name : {"id_ed25519", "gpu-worker-1.host_key"}) {
    host.contents[keys + name] = "a private key";
    host.contents[keys + name + ".pub"] = fuzz::part(parts, "pub");
  }
  const GuestTarget target{"gpu-worker-1", "192.168.130.11"};
  SshGuests guests({"/keys", "/tmp"}, host.files(), [&](const Command&) { return answers.next(); });
  const auto ask = [&](const auto& body) {
    answers.rewind();
    try {
      body();
    } catch (const HostError&) {
    }
  };
  ask([&] {
    const GuestCredentials made = guests.credentials(target.node);
    fuzz::require(made.authorized_key.find('\n') == std::string::npos, "an authorized key is one line");
    fuzz::require(made.host_key_public.find('\n') == std::string::npos, "a host key is one line");
  });
  host.contents[keys + "gpu-worker-1.known_hosts"] = "";
  ask([&] { guests.answers(target); });
  ask([&] { guests.query(target, {{"true"}, {}}); });
  ask([&] { guests.get(target, "/etc/hostname"); });
  ask([&] { guests.put(target, "/etc/hostname", "content", 0600); });
  ask([&] { guests.remove(target, "/etc/hostname"); });
  ask([&] { guests.forget(target.node); });
  return 0;
}
