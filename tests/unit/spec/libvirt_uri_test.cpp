#include "spec/libvirt_uri.h"

#include "support/catch.h"

using namespace gpuplan;

TEST_CASE("a libvirt of this machine, by its own or another socket, is local") {
  for (const char* uri : {"qemu:///system", "qemu:///session", "qemu+unix:///system", "qemu+unix:///session", "test:///default",
                          "qemu:///system?socket=/run/libvirt/virtqemud-sock", "qemu+unix:///session?socket=/a.b/c_d-e"}) {
    INFO(uri);
    CHECK(is_local_libvirt(uri));
  }
}

TEST_CASE("a URI that names a program, another machine or another driver is not local") {
  for (const char* uri : {"", "qemu", "qemu://", "qemu:///", "qemu:///system/", "qemu:///systems", "qemu:///embed?root=/x",
                          "qemu:///system\n", "qemu:///system#", "QEMU:///system", " qemu:///system",
                          "qemu://127.0.0.1/system", "qemu+unix://x/system", "qemu+unix:///default",
                          "qemu+ext:///system?command=/x", "qemu+ssh:///system", "qemu+tcp:///system",
                          "qemu:///system?command=/x", "qemu:///system?netcat=/x", "qemu:///system?mode=legacy",
                          "qemu:///system?socket=", "qemu:///system?socket=/", "qemu:///system?socket=run/x",
                          "qemu:///system?socket=//x", "qemu:///system?socket=/x/", "qemu:///system?socket=/x&command=/x",
                          "qemu:///system?socket=/x;command=/x", "qemu:///system?socket=/x%26command=/x",
                          "qemu:///system?socket=/x?socket=/y", "qemu:///system?command=/x&socket=/y", "test:///",
                          "test:///etc/shadow", "test:///default?socket=/x", "xen:///system", "lxc:///"}) {
    INFO(uri);
    CHECK_FALSE(is_local_libvirt(uri));
  }
}
