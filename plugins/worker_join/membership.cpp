#include "membership.h"

#include <fmt/format.h>

#include <sstream>

#include "cluster_common/kubeadm.h"
#include "cluster_common/stored_declaration.h"
#include "host/guest_target.h"

namespace gpuplan::worker_join {

Worker Worker::from(const Attributes& declared) {
  Worker out;
  out.node = declared.text("node");
  out.address = declared.text("address");
  out.cluster = declared.text("cluster");
  out.login = declared.text("login");
  out.control_plane = cluster::control_plane_of(declared);
  out.expects_ready = declared.flag("ready");
  out.labels = declared.list("labels");
  out.taints = declared.list("taints");
  return out;
}

GuestTarget Worker::target() const {
  return target_from(node, address, login);
}

JoinTicket parse_join_command(const std::string& output) {
  JoinTicket ticket;
  std::istringstream words(output);
  std::string word, before;
  while (words >> word) {
    if (before == "join") ticket.endpoint = word;
    if (before == "--token") ticket.token = word;
    if (before == "--discovery-token-ca-cert-hash") ticket.ca_hash = word;
    before = word;
  }
  const char* missing = ticket.endpoint.empty()                   ? "the endpoint"
                        : ticket.token.empty()                    ? "the token"
                        : ticket.ca_hash.rfind("sha256:", 0) != 0 ? "the CA's sha256 hash"
                                                                  : nullptr;
  if (missing != nullptr) {
    throw HostError(HostError::Kind::failed, "kubeadm token create",
                    fmt::format("`kubeadm token create --print-join-command` did not print {}", missing));
  }
  return ticket;
}

std::string join_config(const Worker& worker, const JoinTicket& ticket, const std::string& kubeadm_version) {
  const int minor = cluster::minor_version(kubeadm_version);
  Json registration = {{"name", worker.node},
                       {"criSocket", cluster::cri_socket},
                       {"kubeletExtraArgs", cluster::kubelet_arguments(minor, worker.cluster, worker.address)}};
  // From the first moment on: later, pods could be there already.
  if (!worker.taints.empty()) registration["taints"] = taints_for_kubeadm(worker.taints);
  return to_yaml({{"apiVersion", cluster::kubeadm_api_version(minor)},
                  {"kind", "JoinConfiguration"},
                  {"discovery",
                   {{"bootstrapToken",
                     {{"apiServerEndpoint", ticket.endpoint},
                      {"token", ticket.token},
                      {"caCertHashes", Json::array({ticket.ca_hash})}}}}},
                  {"nodeRegistration", std::move(registration)}});
}

std::string rename_or_delete(const Worker& worker) {
  return fmt::format("rename the worker in the spec, or take the node away: {}",
                     cluster::kubectl_by_ssh(worker.cluster, worker.control_plane.node, "delete node " + worker.node));
}

bool is_ours(const Json& node, const Worker& worker) {
  return cluster::label_of(node, cluster::owner_label) == worker.cluster;
}

bool is_schedulable(const Json& node) { return !bool_at(node, "/spec/unschedulable"); }

}  // namespace gpuplan::worker_join
