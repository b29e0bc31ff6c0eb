// The ssh host keys of machines whose spec does not pin them.
#pragma once

#include "command/session.h"

namespace gpuplan::command {

// Gives each machine of the spec without a `host_key` the one that was accepted for the cluster at that address and
// port. If there is none, shows the fingerprint of the key that the machine has now, asks once whether to trust it, and
// keeps the answer with the cluster (STATE_DIR/clusters/NAME/host_keys, mode 0600). Needs an open host. Throws Failure if
// the machine does not answer, nobody can be asked, or the answer is not "yes".
// Source: ssh-keyscan(1), sshd(8) "SSH_KNOWN_HOSTS FILE FORMAT".
void complete_host_keys(Session& session, Spec& spec);

}  // namespace gpuplan::command
