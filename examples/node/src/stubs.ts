// Stubs of shoal.v1 and what an error says, loaded from protos/ as they stand.
import * as grpc from "@grpc/grpc-js";
import * as loader from "@grpc/proto-loader";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import type { ProtoGrpcType } from "../gen/cache";
import type { ErrorInfo__Output } from "../gen/google/rpc/ErrorInfo";
import type { RetryInfo__Output } from "../gen/google/rpc/RetryInfo";
import type { Status__Output } from "../gen/google/rpc/Status";
import type { CacheClient } from "../gen/shoal/v1/Cache";

/** How long a call may take. */
const DEADLINE_MS = 10_000;
/** What a node of much memory may answer; clients take 4 MiB unless told. */
const ANSWER_BYTES_MAX = 64 << 20;

// As the types were generated: 64-bit integers and enums as strings, nothing left out.
const definitions = loader.loadSync(["shoal/v1/cache.proto", "google/rpc/details.proto"], {
  includeDirs: [join(repository(), "protos"), join(repository(), "examples", "protos")],
  longs: String,
  enums: String,
  defaults: true,
});
const shoal = (grpc.loadPackageDefinition(definitions) as unknown as ProtoGrpcType).shoal.v1;

function repository(): string {
  let folder = __dirname;
  while (!existsSync(join(folder, "protos", "shoal"))) {
    if (folder === dirname(folder)) throw new Error("no protos/ in any folder above");
    folder = dirname(folder);
  }
  return folder;
}

/** Clients of one address share its connection, unless one asks for a connection `ofItsOwn`. */
export function connect(address: string, { ofItsOwn = false } = {}): CacheClient {
  return new shoal.Cache(address, grpc.credentials.createInsecure(), {
    "grpc.max_receive_message_length": ANSWER_BYTES_MAX,
    "grpc.use_local_subchannel_pool": ofItsOwn ? 1 : 0,
  });
}

/** One unary call as a promise: `call((options, done) => stub.Get(request, options, done))`. */
export function call<Answer>(
  send: (
    options: grpc.CallOptions,
    done: (error: grpc.ServiceError | null, answer?: Answer) => void,
  ) => unknown,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    send({ deadline: Date.now() + DEADLINE_MS }, (error, answer) =>
      error === null ? resolve(answer as Answer) : reject(error),
    );
  });
}

/** An error of shoal.v1, taken apart. docs/reasons.md lists the reasons. */
export interface Refusal {
  code: string;
  /** Empty where the error is not one of Shoal's, as when the connection was lost. */
  reason: string;
  /** NOT_APPLIED: safe to repeat. MAYBE_APPLIED: read before you repeat. */
  outcome: string;
  /** When to try again. 0: trying again does not help. */
  retryAfterMs: number;
}

export function refusalOf(error: unknown): Refusal {
  const { code, metadata } = error as grpc.ServiceError;
  const refusal = { code: grpc.status[code] ?? "no gRPC error", reason: "", outcome: "", retryAfterMs: 0 };
  const [details] = metadata?.get("grpc-status-details-bin") ?? [];
  if (!Buffer.isBuffer(details)) return refusal;
  for (const { type_url, value } of read<Status__Output>("google.rpc.Status", details).details) {
    if (type_url.endsWith("/google.rpc.ErrorInfo")) {
      const info = read<ErrorInfo__Output>("google.rpc.ErrorInfo", value);
      refusal.reason = info.reason;
      refusal.outcome = info.metadata["outcome"] ?? "";
    } else if (type_url.endsWith("/google.rpc.RetryInfo")) {
      const delay = read<RetryInfo__Output>("google.rpc.RetryInfo", value).retryDelay;
      refusal.retryAfterMs = Number(delay?.seconds ?? 0) * 1000 + (delay?.nanos ?? 0) / 1e6;
    }
  }
  return refusal;
}

function read<Message>(name: string, bytes: Buffer): Message {
  return (definitions[name] as loader.MessageTypeDefinition<object, object>).deserialize(bytes) as Message;
}
