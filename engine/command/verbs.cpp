#include "command/verbs.h"

#include <algorithm>

namespace gpuplan::command {

const std::vector<Flag>& all_flags() {
  static const std::vector<Flag> flags = {
      {"host", "HOST", "the server: local, or sim:FILE for a simulated one (default: local)", true},
      {"state-dir", "DIR", "where journals and simulated servers are kept (default: $GPUPLAN_STATE_DIR,\n"
                            "else /var/lib/gpuplan for root, $XDG_STATE_HOME/gpuplan for others)", true},
      {"cluster", "NAME", "the cluster, for verbs without SPEC (default: the only one there is)", true},
      {"plugin-path", "DIR", "load step kinds from DIR too; may be repeated", true},
      {"parallelism", "N", "at most N things at a time (default: 10)", true},
      {"json", "", "print JSON for programs; apply, rollback and destroy print one object per line", true},
      {"color", "WHEN", "auto, always or never (default: auto; NO_COLOR means never)", true},
      {"log-level", "LEVEL", "debug, info, warning or error, on stderr (default: warning)", true},
      {"help", "", "show this help", true},
      {"yes", "", "do not ask"},
      {"detailed-exitcode", "", "exit with 2 if there are changes, 0 if there are none"},
      {"explain", "", "say why, and where each observed value was read"},
      {"fault", "FAULT", "on a simulated server: ADDRESS:EFFECT, call:N:EFFECT or journal:N:EFFECT,\n"
                         "with EFFECT fail, hang, kill or power-cut; plugin:N:EFFECT, with fail, kill or\n"
                         "power-cut; disk:N:EFFECT, with full, io-error, read-only or power-cut; may be\n"
                         "repeated"},
      {"run", "ID", "undo this run alone (see `gpuplan history`)"},
      {"target", "ADDRESS", "only this resource and what it depends on (destroy: what cannot be without it);\n"
                            "may be repeated"},
      {"exclude", "ADDRESS", "all but this resource and what depends on it (destroy: what it cannot be\n"
                             "without); may be repeated"},
      {"replace", "ADDRESS", "make this resource anew, although nothing asks for it; may be repeated"},
      {"out", "FILE", "plan: save the plan, for `gpuplan apply FILE`; init and record: write to FILE,\n"
                      "which must not exist"},
      {"workers", "N", "as many workers (default: one for each NUMA node with GPUs, or two)"},
      {"purge", "", "also delete the base images that are kept for the next time"},
      {"destroy", "", "show what `gpuplan destroy` would do"},
      {"merge", "", "put it into your own kubeconfig: the first file in $KUBECONFIG, or ~/.kube/config"},
      {"use-context", "", "with --merge: make it the current context (it is anyway, if there is none)"},
      {"log", "", "print what it has said so far, instead of joining the terminal to it"},
      {"tree", "", "by NUMA node, host bridge and root port"},
      {"all", "", "also what has nothing to do with GPUs"},
      {"format", "FORMAT", "dot or mermaid (default: dot)"},
      {"xml", "", "the document as XML, which is its only form"},
      {"version", "", "the same as `gpuplan version`"},
  };
  return flags;
}

// NOLINTNEXTLINE(readability-function-size): a table
const std::vector<Verb>& all_verbs() {
  static const std::vector<Verb> verbs = {
      {"plan", "[SPEC]", "show what apply would change",
       "Reads the server and prints every change that `gpuplan apply` would make, attribute by\n"
       "attribute. Changes nothing. If a check fails, the failed checks are printed instead of a plan.\n"
       "With --out the plan is saved: `gpuplan apply FILE` then makes exactly these changes, or none if\n"
       "the server or the spec has changed since. SPEC may be left out with --destroy only.",
       "gpuplan plan h100.yaml\ngpuplan plan h100.yaml --explain --host sim:specs/hosts/h100-sxm8.yaml\n"
       "gpuplan plan h100.yaml --out today.plan && gpuplan apply today.plan\n"
       "gpuplan plan --destroy --target vfio-bind/0000:0a:00.0",
       {"detailed-exitcode", "explain", "destroy", "out", "target", "exclude", "replace"}, run_plan},
      {"apply", "SPEC|PLAN", "make the server as the spec declares it",
       "Plans, shows the plan, asks, and carries it out. Each change is recorded before it starts, so a\n"
       "run that fails or is killed can be continued with `gpuplan apply` or undone with\n"
       "`gpuplan rollback`. Running it again changes nothing.\n"
       "With `verify: true`, the default, a run ends with the tests of `gpuplan verify`. If one fails the exit\n"
       "code is 3, although every step is done and nothing is left to roll back.\n"
       "With `on_failure: rollback` in the spec a failed run is undone at once. The exit code is then\n"
       "still 3, because a step failed; 7 if the server is not as it was before.\n"
       "PLAN is what `gpuplan plan --out` saved. It is refused with exit code 5 if the server, the spec or\n"
       "the cluster has changed since.",
       "gpuplan apply h100.yaml\ngpuplan apply today.plan\ngpuplan apply h100.yaml --yes --json",
       {"yes", "explain", "target", "exclude", "replace", "fault"}, run_apply},
      {"rollback", "", "undo failed runs, and verify it",
       "Undoes all runs since the last successful one, newest first, then reads the server again and\n"
       "compares it with what it was before. Can be repeated. A run that began to do what cannot be\n"
       "undone (deleting disks, draining nodes) can only be completed with `gpuplan apply`.",
       "gpuplan rollback\ngpuplan rollback --run 3 --yes", {"yes", "run", "fault"}, run_rollback},
      {"destroy", "[SPEC]", "remove everything that gpuplan made",
       "Removes the cluster with its VMs, disks and network, and gives the GPUs back to the driver they\n"
       "came from. What gpuplan did not make stays. SPEC names the cluster; without it, --cluster does.",
       "gpuplan destroy --cluster gpu\ngpuplan destroy h100.yaml --yes\n"
       "gpuplan destroy --target vfio-bind/0000:0a:00.0",
       {"yes", "explain", "purge", "target", "exclude", "fault"}, run_destroy},
      {"check", "SPEC", "say whether the server can carry the spec",
       "Runs every check of the spec against the server: passed or not, the value found, where it was\n"
       "read, and what to do. Changes nothing.",
       "gpuplan check h100.yaml", {}, run_check},
      {"validate", "SPEC", "check the spec alone",
       "Reads the spec and reports everything that is wrong with it. Needs no server.",
       "gpuplan validate h100.yaml", {}, run_validate},
      {"discover", "", "show the server's GPUs, what they share and who uses them",
       "Reads the server and shows its GPUs and NVSwitches with their drivers, BARs and reset methods, the\n"
       "IOMMU groups with all members, NUMA nodes, address widths, and who uses what. Needs no spec and no\n"
       "root; what it could not read it names. Names of devices come from pci.ids: from the file in\n"
       "$GPUPLAN_PCI_IDS, or the system's.",
       "gpuplan discover\ngpuplan discover --tree\ngpuplan discover --json --host sim:specs/hosts/h100-sxm8.yaml",
       {"tree", "all"}, run_discover},
      {"init", "", "propose a spec for the server",
       "Reads the server and writes a spec for it, with comments: its GPUs, which worker gets which of them\n"
       "(by NUMA node, and by NVSwitch partition where there are NVSwitches), and how large the VMs can be.\n"
       "A GPU that cannot be given away is left out, and the spec says why. Changes nothing.",
       "gpuplan init --out cluster.yaml && gpuplan check cluster.yaml\ngpuplan init --workers 4", {"out", "workers"},
       run_init},
      {"record", "", "save the server as a file for --host sim:FILE",
       "Reads the server and writes a model of it: what `gpuplan discover` shows, and whatever else a plan\n"
       "depends on. `gpuplan plan SPEC --host sim:FILE` then plans for the server on any machine, and the\n"
       "file can go with a report of a defect. Serial numbers, the machine-id, host name, MAC and public IP\n"
       "addresses and command lines of processes are left out. Changes nothing. Run it as root: what it could\n"
       "not read the model does not have.",
       "gpuplan record --out twin.yaml && gpuplan plan h100.yaml --host sim:twin.yaml\n"
       "gpuplan record --host sim:specs/hosts/busy.yaml", {"out"}, run_record},
      {"kubeconfig", "[SPEC]", "print the cluster's kubeconfig, or merge it into yours",
       "Fetches the administrator's kubeconfig from the control plane, keeps a copy with the cluster's state, and\n"
       "prints it. With --merge it goes into your own kubeconfig instead: cluster, user and context under the\n"
       "cluster's name; everything else in it stays. Entries of that name that gpuplan did not make are never\n"
       "replaced. If the control plane does not answer, the kept copy is used, with a warning.\n"
       "Whoever has the kubeconfig is administrator of the cluster. Without SPEC, --cluster names the cluster.",
       "gpuplan kubeconfig > gpu.kubeconfig && kubectl --kubeconfig gpu.kubeconfig get nodes\n"
       "gpuplan kubeconfig --merge --use-context && kubectl get nodes", {"merge", "use-context"}, run_kubeconfig},
      {"verify", "[SPEC]", "test whether the cluster and its GPUs work",
       "Asks the cluster whether its nodes are Ready, offer the planned GPUs and have a GPU Operator that is\n"
       "ready. What is not yet, as after a reboot, is waited for: 5 minutes, or `timeouts: {verify: ...}`. Then\n"
       "runs pods on each worker: nvidia-smi with one GPU and with all of them, and a CUDA program. They run in\n"
       "the namespace gpuplan-verify, which is removed again. What others use is left to them: a test without\n"
       "free GPUs is skipped. Of each failure the reason is told, where it is known, and what to do. Exits with\n"
       "1 if anything fails. `gpuplan apply` ends with the same tests, unless the spec says `verify: false`.\n"
       "Without SPEC, --cluster names the cluster.",
       "gpuplan verify\ngpuplan verify h100.yaml --json", {}, run_verify},
      {"ssh", "NODE [-- COMMAND...]", "log in to a node, or run a command there",
       "Logs in as root with the cluster's own key, and only to who has the host key that gpuplan gave to the\n"
       "node; nothing of your own ssh configuration is used. With COMMAND only that is run, and its exit status\n"
       "is that of gpuplan; 255 means that ssh itself failed. Each word of it stays one word. NODE is a node's\n"
       "name, or what the spec calls it. On a simulated server only COMMAND works.",
       "gpuplan ssh gpu-worker-1\ngpuplan ssh worker-1 -- nvidia-smi -L\n"
       "gpuplan ssh control-plane -- sh -c 'journalctl -u kubelet | tail'", {}, run_ssh},
      {"console", "NODE", "sit down at a VM's serial console, or read it",
       "Joins the terminal to the serial console of the node's VM, with `virsh console`; Ctrl-] leaves it.\n"
       "With --log, what the console has said so far is printed, also of a VM that does not answer ssh. On a\n"
       "simulated server only --log works.",
       "gpuplan console gpu-worker-1\ngpuplan console gpu-worker-1 --log | tail -50", {"log"}, run_console},
      {"logs", "NODE|ADDRESS", "show what happened on a node, or in a step",
       "Of a NODE: the whole output of what gpuplan ran on it to install it. Of an ADDRESS, such as\n"
       "worker-join/gpu-worker-1: what the last runs did with it, when, and every error in full. On a terminal\n"
       "control characters are made harmless.",
       "gpuplan logs gpu-worker-1\ngpuplan logs worker-join/gpu-worker-1 --json", {}, run_logs},
      {"status", "", "show what gpuplan made, and whether a run is open",
       "Shows for each cluster its resources, the last run, who is working on it, and what to do next.\n"
       "Reads the journals only, not the server.",
       "gpuplan status\ngpuplan status --cluster gpu --json", {}, run_status},
      {"history", "", "list all runs of a cluster", "Lists the runs of a cluster, oldest first.",
       "gpuplan history --cluster gpu", {}, run_history},
      {"show", "[RUN | vm NAME [SPEC] | kubeadm [SPEC]]", "show one run, or a document, in detail",
       "Shows the changes of a run, how each ended, and its stages. Without RUN: the latest. Of a journal that\n"
       "every other verb refuses, what can be read is shown, with the reason; the exit code is then 1.\n"
       "`vm NAME` prints the libvirt document with which the VM would be defined now, `kubeadm` the\n"
       "configuration of the control plane; both of SPEC, else of the cluster's last run.",
       "gpuplan show\ngpuplan show 3 --json\ngpuplan show vm gpu-worker-1 h100.yaml --xml\ngpuplan show kubeadm h100.yaml",
       {"xml"}, run_show, 3},
      {"graph", "SPEC", "print the resources and their dependencies",
       "Prints what the spec expands to as a graph: DOT for Graphviz, or Mermaid for Markdown.",
       "gpuplan graph h100.yaml | dot -Tsvg > h100.svg\ngpuplan graph h100.yaml --format mermaid", {"format"},
       run_graph},
      {"plugins", "", "list the step kinds that are loaded",
       "Lists each step kind with the module it comes from.", "gpuplan plugins --plugin-path ./my-plugins", {},
       run_plugins},
      {"version", "", "print the version and the build tag",
       "Prints the version, and the build tag that plugin modules must have.", "gpuplan version --json", {},
       run_version},
  };
  return verbs;
}

const Verb* find_verb(std::string_view name) {
  const auto found = std::find_if(all_verbs().begin(), all_verbs().end(),
                                  [name](const Verb& verb) { return verb.name == name; });
  return found == all_verbs().end() ? nullptr : &*found;
}

const Flag* find_flag(std::string_view name) {
  const auto found = std::find_if(all_flags().begin(), all_flags().end(),
                                  [name](const Flag& flag) { return flag.name == name; });
  return found == all_flags().end() ? nullptr : &*found;
}

}  // namespace gpuplan::command
