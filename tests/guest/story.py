"""What happens to a cluster of real guests, in chapters: each finds what the one before it left."""

import glob
import os
import re
import stat
import subprocess
import tempfile
import time

from cluster import ADDRESSES, CONTROL_PLANE, NAME, WORKER, say
from packages import Repository

SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "scripts", "guest")


def check(condition, what):
    if not condition:
        raise AssertionError(str(what))


def apply(cluster, status=0, *words):
    result = cluster.gpuplan("apply", cluster.spec, "--yes")
    check(result.status == status, result)
    for word in words:
        check(word in result.output + result.errors, f"no {word!r} in: {result}")
    return result


def nodes(cluster):
    """Names and what the API says of them."""
    listed = cluster.ssh(CONTROL_PLANE, "kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "nodes", "-o", "json")
    check(listed.status == 0, listed)
    return sorted(re.findall(r'"kubernetes.io/hostname": *"([^"]*)"', listed.output))


def script(cluster, node, name, *arguments, before=()):
    with open(f"{SCRIPTS}/lib.sh", encoding="utf-8") as lib, open(f"{SCRIPTS}/{name}.sh", encoding="utf-8") as own:
        text = lib.read() + own.read()
    return cluster.ssh(node, *before, "bash", "-s", "--", name, *arguments, text=text, limit=600)


def a_cluster_is_made(cluster):
    """VMs boot with their seeds, the nodes are prepared, kubeadm init and join, all Ready"""
    cluster.write_spec()
    apply(cluster)
    check(nodes(cluster) == sorted(ADDRESSES), nodes(cluster))


def guests_are_as_their_seed_says(cluster):
    """host key, name, address, logins, root file system, swap: as in the seed"""
    for node, address in ADDRESSES.items():
        # ssh() trusts one key alone: that it answers at all says that the host key is the planned one.
        check(cluster.ssh(node, "hostname").output == f"{node}\n", node)
        check(f"inet {address}/24" in cluster.ssh(node, "ip", "-o", "-4", "address").output, node)
        finished = cluster.ssh(node, "cloud-init", "status", "--long")
        check("status: done" in finished.output, finished)
        check(cluster.ssh(node, "sshd", "-T").output.count("passwordauthentication no") == 1, node)
        size = int(cluster.ssh(node, "df", "--output=size", "-BG", "/").output.split()[1].rstrip("G"))
        check(size >= 8, f"the root file system of {node} has not grown: {size} GiB")
        check(cluster.ssh(node, "containerd", "config", "dump").output.count("SystemdCgroup = true") == 1, node)


def scripts_find_nothing_to_do(cluster):
    """the guest scripts, run again, change nothing"""
    for node, address in ADDRESSES.items():
        for name, arguments in (("base", ("--node", node, "--address", address)), ("containerd", ("--kubernetes", "1.34")),
                                ("firewall", ("--networks", "192.168.231.0/24,10.244.0.0/16")),
                                ("kubernetes", ("--version", "1.34")), ("helm", ())):
            looked = script(cluster, node, name, "--check", *arguments)
            check(looked.status == 0 and looked.output == "", looked)
            again = script(cluster, node, name, *arguments)
            check(again.status == 0 and again.output == "nothing to do\n", again)
        other = script(cluster, node, "kubernetes", "--check", "--version", "1.33")
        check(other.status == 10 and "another version of Kubernetes" in other.output, other)
        refused = script(cluster, node, "kubernetes", "--version", "1.33")
        check(refused.status == 1 and "gpuplan does not change installed" in refused.output, refused)


def logs_are_kept_without_secrets(cluster):
    """each node has its log, for root alone, with what was done and no secret"""
    check(stat.S_IMODE(os.stat(cluster.logs).st_mode) == 0o700, cluster.logs)
    tokens = cluster.ssh(CONTROL_PLANE, "cat", "/var/lib/guest-standin/state.json").output
    for node in ADDRESSES:
        path = f"{cluster.logs}/{node}.log"
        check(stat.S_IMODE(os.stat(path).st_mode) == 0o600, path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        check("bash -s -- containerd" in text and "containerd is not configured" in text, text)
        check(not re.search(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", text), "a token in " + text)
        check("PRIVATE KEY" not in text, text)
    check("tokens" in tokens, tokens)
    for path in glob.glob(f"{cluster.state}/clusters/{NAME}/journal.db*"):
        with open(path, "rb") as file:
            check(b"PRIVATE KEY" not in file.read(), path)


def apply_again_changes_nothing(cluster):
    """apply again: no changes"""
    apply(cluster, 0, "No changes.")


def what_a_node_has_lost_comes_back(cluster):
    """a node of the running cluster without its sysctls: the plan says so, apply sets them"""
    cluster.ssh(WORKER, "rm", "/etc/sysctl.d/90-gpuplan.conf")
    cluster.ssh(WORKER, "sysctl", "-w", "net.ipv4.ip_forward=0")
    plan = cluster.gpuplan("plan", cluster.spec, "--detailed-exitcode")
    check(plan.status == 2 and f"note: on {WORKER}: sysctls to set at boot" in plan.output, plan)
    check("0 to create, 1 to update" in plan.output, plan)
    apply(cluster)
    check(cluster.ssh(WORKER, "sysctl", "-n", "net.ipv4.ip_forward").output == "1\n", WORKER)
    apply(cluster, 0, "No changes.")


def leave(cluster):
    if WORKER not in nodes(cluster):
        return
    left = cluster.gpuplan("destroy", cluster.spec, "--target", f"worker-join/{WORKER}", "--yes")
    check(left.status == 0, left)
    check(nodes(cluster) == [CONTROL_PLANE], nodes(cluster))


def set_link(state):
    """Of the worker, as if its cable were pulled."""
    listed = subprocess.run(["virsh", "-q", "-c", "qemu:///system", "domiflist", WORKER], capture_output=True, text=True,
                            check=True).stdout.split()
    subprocess.run(["virsh", "-q", "-c", "qemu:///system", "domif-setlink", WORKER, listed[0], state], check=True)


def a_worker_without_a_network_leaves(cluster):
    """a worker whose network is down: gpuplan says what its guest agent sees, and takes it out of the cluster through that"""
    joined = "/etc/kubernetes/kubelet.conf"
    check(cluster.ssh(WORKER, "test", "-e", joined).status == 0, "the worker has not joined")
    cluster.ssh(WORKER, "systemctl", "start", "qemu-guest-agent")
    subprocess.run(["ssh", "-O", "exit", "-o", f"ControlPath={cluster.directory}/%C", f"root@{ADDRESSES[WORKER]}"],
                   capture_output=True, check=False)
    set_link("down")
    try:
        silent = cluster.gpuplan("ssh", WORKER, "--cluster", NAME, "--", "true")
        check(silent.status != 0, silent)
        leave(cluster)
    finally:
        set_link("up")
    for _ in range(60):
        gone = cluster.ssh(WORKER, "test", "-e", joined)
        if gone.status != 255:
            break
        time.sleep(2)
    check(gone.status == 1, gone)


def a_failing_join_is_completed(cluster):
    """a worker leaves; its next join fails once, and apply goes on from there"""
    leave(cluster)
    cluster.fault(WORKER, "kubeadm join fail")
    apply(cluster, 3, "this call was told to fail")
    apply(cluster)
    check(nodes(cluster) == sorted(ADDRESSES), nodes(cluster))


def an_expired_token_is_refused_and_rolled_back(cluster):
    """a token that has expired when the worker comes with it: refused, rolled back, then joined"""
    leave(cluster)
    cluster.fault(CONTROL_PLANE, "kubeadm token late")
    apply(cluster, 3, "could not find a JWS signature in the cluster-info ConfigMap")
    undone = cluster.gpuplan("rollback", "--cluster", NAME, "--yes")
    check(undone.status == 0, undone)
    check(nodes(cluster) == [CONTROL_PLANE], nodes(cluster))
    check(cluster.ssh(WORKER, "ls", "/root").output == "", "the join left files")
    apply(cluster)
    check(nodes(cluster) == sorted(ADDRESSES), nodes(cluster))


def a_guest_is_reset_during_its_join(cluster):
    """the guest's reset button is pressed in the middle of its join: a clear failure, and apply completes it"""
    leave(cluster)
    cluster.fault(WORKER, "kubeadm join hang")
    running = cluster.start_gpuplan("apply", cluster.spec, "--yes")
    for _ in range(240):
        if cluster.ssh(WORKER, "pgrep", "-f", "[k]ubeadm join").status == 0:
            break
        check(running.poll() is None, "apply ended before the join began")
        time.sleep(1)
    cluster.ssh(WORKER, "sync")  # what the stand-ins remember is not what is tried here
    subprocess.run(["virsh", "-q", "-c", "qemu:///system", "reset", WORKER], check=True)
    output, _ = running.communicate(timeout=600)
    check(running.returncode == 3 and WORKER in output, output)
    apply(cluster)
    check(nodes(cluster) == sorted(ADDRESSES), nodes(cluster))


def a_worker_is_removed(cluster):
    """a worker that the spec does not mention any more leaves the cluster and goes"""
    cluster.write_spec(workers="{}")
    apply(cluster)
    check(nodes(cluster) == [CONTROL_PLANE], nodes(cluster))
    domains = subprocess.run(["virsh", "-q", "-c", "qemu:///system", "list", "--all", "--name"], capture_output=True,
                             text=True, check=True).stdout.split()
    check(CONTROL_PLANE in domains and WORKER not in domains, domains)


def packages_are_installed_and_held(cluster):
    """kubernetes.sh installs packages from a repository that fails at first, exactly the version asked for, and holds them"""
    with tempfile.TemporaryDirectory() as directory, \
            Repository(directory, "192.168.231.1", "1.34", ["1.34.2", "1.34.9"], failures=4) as repository:
        # As if the stand-ins were not there.
        environment = ("env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        arguments = ("--version", "1.34.2", "--repository", repository.url)
        lacks = script(cluster, WORKER, "kubernetes", "--check", *arguments, before=environment)
        check(lacks.status == 10 and "1.34.2 are not installed" in lacks.output, lacks)
        done = script(cluster, WORKER, "kubernetes", *arguments, before=environment)
        check(done.status == 0 and "apt-get update failed; once more" in done.output, done)
        check(repository.failures == 0, "nothing had to be tried again")
        held = cluster.ssh(WORKER, "apt-mark", "showhold").output.split()
        check(held == ["kubeadm", "kubectl", "kubelet"], held)
        version = cluster.ssh(WORKER, "dpkg-query", "-W", "-f", "${Version}", "kubelet").output
        check(version == "1.34.2-1.1", version)
        crictl = cluster.ssh(WORKER, "/usr/bin/crictl", "--version")
        check(crictl.status == 0, crictl)
        again = script(cluster, WORKER, "kubernetes", *arguments, before=environment)
        check(again.status == 0 and again.output == "nothing to do\n", again)
        # A hold that somebody took off comes back.
        cluster.ssh(WORKER, "apt-mark", "unhold", "kubelet")
        lacks = script(cluster, WORKER, "kubernetes", "--check", *arguments, before=environment)
        check(lacks.status == 10 and lacks.output == "the packages of Kubernetes are not held\n", lacks)
    gone = cluster.ssh(WORKER, "sh", "-c", "apt-mark unhold kubeadm kubectl kubelet "
                       "&& dpkg --purge kubeadm kubectl kubelet cri-tools "
                       "&& rm /etc/apt/sources.list.d/kubernetes.list /etc/apt/keyrings/kubernetes-apt-keyring.asc")
    check(gone.status == 0, gone)


def show_what_is_left(cluster):
    """For whoever reads of a failure."""
    for path in sorted(glob.glob(f"{cluster.logs}/*.log")) + [cluster.console(node) for node in ADDRESSES]:
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                say(f"--- the end of {path}\n" + "".join(file.readlines()[-30:]))


FAST = [a_cluster_is_made, guests_are_as_their_seed_says, scripts_find_nothing_to_do, logs_are_kept_without_secrets,
        apply_again_changes_nothing, what_a_node_has_lost_comes_back]
ALL = FAST + [packages_are_installed_and_held, a_worker_without_a_network_leaves,
              a_failing_join_is_completed, an_expired_token_is_refused_and_rolled_back, a_guest_is_reset_during_its_join, a_worker_is_removed]
