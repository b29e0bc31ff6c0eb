// The environment of this process and of the programs that it becomes.
#pragma once

namespace gpuplan::command {

// Takes every variable out of the environment that gpuplan, the terminal or a proxy is not known to need: libraries in this
// process obey others (libvirt's LIBVIRT_…, curl's SSLKEYLOGFILE), and so do ssh and virsh, whose place it may take (LD_…,
// BASH_ENV). For root, PATH becomes the directories in which gpuplan looks for its commands. To be called before there is a
// second thread.
void keep_known_environment();

}  // namespace gpuplan::command
