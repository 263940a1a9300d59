#include "refusal.h"

#include "google/rpc/details.pb.h"

namespace shoal {

Refusal Refusal::of(const grpc::Status& status) {
  Refusal refusal;
  refusal.code = status.error_code();
  google::rpc::Status told;
  if (!told.ParseFromString(status.error_details())) return refusal;
  google::rpc::ErrorInfo info;
  google::rpc::RetryInfo retry;
  for (const auto& detail : told.details()) {
    if (detail.UnpackTo(&info)) {
      refusal.reason = info.reason();
      if (auto outcome = info.metadata().find("outcome"); outcome != info.metadata().end()) {
        refusal.outcome = outcome->second;
      }
    } else if (detail.UnpackTo(&retry)) {
      const auto& delay = retry.retry_delay();
      refusal.retry_after =
          std::chrono::milliseconds(delay.seconds() * 1000 + delay.nanos() / 1'000'000);
    }
  }
  return refusal;
}

std::string Refusal::text() const {
  std::string said = "code " + std::to_string(code) + ", " + reason + ", " + outcome;
  if (retry_after.count() > 0) said += ", again in " + std::to_string(retry_after.count()) + "ms";
  return said;
}

}  // namespace shoal
