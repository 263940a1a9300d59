// What a Shoal error says beside its code: the reason, whether the request may have been
// applied, and when to try again.
#pragma once

#include <chrono>
#include <string>

#include <grpcpp/grpcpp.h>

namespace shoal {

// An error of shoal.v1, taken apart. docs/reasons.md lists the reasons.
struct Refusal {
  grpc::StatusCode code = grpc::StatusCode::OK;
  // Empty where the error is not one of Shoal's, as when the connection was lost.
  std::string reason;
  // NOT_APPLIED: safe to repeat. MAYBE_APPLIED: read before you repeat.
  std::string outcome;
  // When to try again. 0: trying again does not help.
  std::chrono::milliseconds retry_after{0};

  static Refusal of(const grpc::Status& status);
  bool may_be_repeated() const { return outcome == "NOT_APPLIED"; }
  std::string text() const;
};

}  // namespace shoal
