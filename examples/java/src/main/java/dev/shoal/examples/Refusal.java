package dev.shoal.examples;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;

/**
 * An error of shoal.v1, taken apart. docs/reasons.md lists the reasons.
 *
 * @param reason empty where the error is not one of Shoal's, as when the connection was lost
 * @param outcome NOT_APPLIED: safe to repeat; MAYBE_APPLIED: read before you repeat
 * @param retryAfterMs when to try again; 0: trying again does not help
 */
record Refusal(Status.Code code, String reason, String outcome, long retryAfterMs) {

  static Refusal of(StatusRuntimeException error) {
    String reason = "";
    String outcome = "";
    long retryAfterMs = 0;
    try {
      for (Any detail : StatusProto.fromThrowable(error).getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          ErrorInfo info = detail.unpack(ErrorInfo.class);
          reason = info.getReason();
          outcome = info.getMetadataOrDefault("outcome", "");
        } else if (detail.is(RetryInfo.class)) {
          var delay = detail.unpack(RetryInfo.class).getRetryDelay();
          retryAfterMs = delay.getSeconds() * 1000 + delay.getNanos() / 1_000_000;
        }
      }
    } catch (InvalidProtocolBufferException malformed) {
      throw new IllegalStateException("what the error says can not be read", malformed);
    }
    return new Refusal(error.getStatus().getCode(), reason, outcome, retryAfterMs);
  }

  boolean mayBeRepeated() {
    return outcome.equals("NOT_APPLIED");
  }

  @Override
  public String toString() {
    String again = retryAfterMs > 0 ? ", again in " + retryAfterMs + "ms" : "";
    return code + ", " + reason + ", " + outcome + again;
  }
}
