// Uses a Shoal cluster through nothing but stubs: it knows no partitions, and any node serves it.
//
//   node build/src/basics.js HOST:PORT [HOST:PORT...]
import { setTimeout as sleep } from "node:timers/promises";

import type { CacheClient } from "../gen/shoal/v1/Cache";
import type { GetResponse__Output } from "../gen/shoal/v1/GetResponse";
import type { IncrResponse__Output } from "../gen/shoal/v1/IncrResponse";
import type { MGetResponse__Output } from "../gen/shoal/v1/MGetResponse";
import type { MSetResponse__Output } from "../gen/shoal/v1/MSetResponse";
import type { SetResponse__Output } from "../gen/shoal/v1/SetResponse";
import { call, connect, refusalOf } from "./stubs";
import type { Refusal } from "./stubs";

/** Enough that most of them are owned by other nodes. */
const KEYS_FOR_ONE_NODE = 32;
/** As large as a value may be, and together more than one answer holds. */
const LARGE_VALUES = 8;
const LARGE_VALUE_BYTES = 1 << 20;
/** More than a node lets one partition have at a time. */
const LOADS_MAX = 100_000;
const LOADS_AT_ONCE = 256;

const addresses = process.argv.slice(2);
/** Makes this run's keys its own. */
const prefix = `node:${process.hrtime.bigint()}:`;

const key = (name: string): Buffer => Buffer.from(prefix + name);

const get = (stub: CacheClient, name: string, fill?: { leaseMs: number; waitMs: number }) =>
  call<GetResponse__Output>((options, done) => stub.Get({ key: key(name), fill }, options, done));

const set = (stub: CacheClient, name: string, value: string, more = {}) =>
  call<SetResponse__Output>((options, done) =>
    stub.Set({ key: key(name), value: Buffer.from(value), ...more }, options, done),
  );

function expect(holds: boolean, what: string, got: unknown): asserts holds {
  if (!holds) throw new Error(`expected ${what}, got ${JSON.stringify(got)}`);
}

async function setAndGet([stub]: CacheClient[]): Promise<string> {
  const stored = await set(stub!, "product:42", "a kettle", { ttlMs: 600_000 });
  const found = await get(stub!, "product:42");
  expect(found.status === "HIT" && found.value.toString() === "a kettle", "what was set", found);
  // A miss is an answer, not an error.
  const missed = await get(stub!, "product:43");
  expect(missed.status === "MISS", "a miss", missed);
  const version = `${stored.version?.epoch}.${stored.version?.seq}`;
  return `HIT "${found.value}", version ${version}; a key that is not there is a ${missed.status}`;
}

async function increment([stub]: CacheClient[]): Promise<string> {
  // The id makes it safe to send this again after an answer that was lost: it counts once.
  const request = { key: key("stock:42"), delta: -1, initial: 100, requestId: key("order:1") };
  for (let time = 0; time < 2; time++) {
    const left = await call<IncrResponse__Output>((options, done) => stub!.Incr(request, options, done));
    expect(left.value === "99", "99", left.value);
  }
  return "99 left of 100, though the order was sent twice";
}

async function getMany([stub]: CacheClient[]): Promise<string> {
  const entries = [
    { key: key("a"), value: Buffer.from("1") },
    { key: key("c"), value: Buffer.from("3") },
  ];
  const stored = await call<MSetResponse__Output>((options, done) => stub!.MSet({ entries }, options, done));
  expect(stored.results.every((result) => result.error === null), "no error", stored);
  const keys = [key("a"), key("b"), key("c")];
  const found = await call<MGetResponse__Output>((options, done) => stub!.MGet({ keys }, options, done));
  const said = found.entries.map((entry) => `${entry.status} "${entry.value}"`).join(", ");
  expect(said === 'HIT "1", MISS "", HIT "3"', "two of three", said);
  return `${said}, in the order asked`;
}

/** Writes through one node alone, whoever owns the keys, and reads through every node. */
async function askAnyNode(stubs: CacheClient[]): Promise<string> {
  const names = Array.from({ length: KEYS_FOR_ONE_NODE }, (_, at) => `any:${at}`);
  await Promise.all(names.map((name) => set(stubs[0]!, name, name)));
  for (const stub of stubs) {
    const found = await Promise.all(names.map((name) => get(stub, name)));
    expect(found.every((each, at) => each.value.toString() === names[at]), "every key", found);
  }
  return `${names.length} keys written through ${addresses[0]}, read through each of ${stubs.length} nodes`;
}

/** Asks again for what one answer had no room for. */
async function getLargeValues([stub]: CacheClient[]): Promise<string> {
  const value = "v".repeat(LARGE_VALUE_BYTES);
  let missing = Array.from({ length: LARGE_VALUES }, (_, at) => `large:${at}`);
  await Promise.all(missing.map((name) => set(stub!, name, value)));
  let answers = 0;
  for (; missing.length > 0; answers++) {
    const keys = missing.map(key);
    const found = await call<MGetResponse__Output>((options, done) => stub!.MGet({ keys }, options, done));
    const again = missing.filter((name, at) => {
      const entry = found.entries[at];
      if (entry?.error?.reason === "BATCH_TOO_LARGE") return true;
      expect(entry?.value.toString() === value, name, [entry?.status, entry?.error]);
      return false;
    });
    expect(again.length < missing.length, "an answer that brings something", again);
    missing = again;
  }
  return `${LARGE_VALUES} values of 1 MiB came in ${answers} answers`;
}

/** Of all who miss a key at once one loads it, and the others wait for that. */
async function fill(stubs: CacheClient[]): Promise<string> {
  const agreement = { leaseMs: 5_000, waitMs: 5_000 };
  const first = await get(stubs[0]!, "viral", agreement);
  expect(first.status === "MISS" && first.fillToken.length > 0, "a miss with a token", first);
  const started = performance.now();
  let waitedMs = 0;
  const second = get(stubs.at(-1)!, "viral", agreement).finally(() => {
    waitedMs = performance.now() - started;
  });
  const value = await loadFromTheDatabase();
  expect(waitedMs === 0, "no answer to the second caller before the load", waitedMs);
  await set(stubs[0]!, "viral", value, { ttlMs: 60_000, fillToken: first.fillToken });
  const found = await second;
  expect(found.status === "HIT" && found.value.toString() === value, "the loaded value", found);
  return `the first caller loaded; the second waited ${waitedMs.toFixed()} ms and got HIT "${found.value}"`;
}

/** Stands for a query that takes its time. */
async function loadFromTheDatabase(): Promise<string> {
  return sleep(200, "loaded once");
}

async function readAnError([stub]: CacheClient[]): Promise<string> {
  await set(stub!, "text", "twelve");
  const incr = call((options, done) => stub!.Incr({ key: key("text") }, options, done));
  const told = await refusedAs("NOT_AN_INTEGER", incr);
  return `${told.code}, ${told.reason}, ${told.outcome}`;
}

/**
 * Begins loads and ends none, until the node says that it is enough, waits for as long as the
 * node says, and tries again. All keys have one hash tag, so one partition has them.
 */
async function obeyABound([stub]: CacheClient[]): Promise<string> {
  const load = (from: CacheClient, at: number) =>
    call<GetResponse__Output>((options, done) =>
      from.Get({ key: Buffer.from(`{${prefix}loads}:${at}`), fill: { leaseMs: 60_000 } }, options, done),
    );
  const greedy = connect(addresses[0]!, { ofItsOwn: true });
  let begun = 0;
  let told: Refusal | undefined;
  while (told === undefined && begun < LOADS_MAX) {
    const wave = Array.from({ length: LOADS_AT_ONCE }, (_, at) => load(greedy, begun + at));
    for (const each of await Promise.allSettled(wave)) {
      if (each.status === "fulfilled") begun += 1;
      else told ??= refusalOf(each.reason);
    }
  }
  // The end of a connection gives back the tokens that were given over it.
  greedy.close();
  expect(
    told?.reason === "TOO_MANY_REQUESTS" && told.retryAfterMs > 0 && told.outcome === "NOT_APPLIED",
    "TOO_MANY_REQUESTS with RetryInfo",
    told,
  );
  for (const deadline = Date.now() + 10_000; Date.now() < deadline; ) {
    await sleep(told.retryAfterMs);
    try {
      await load(stub!, LOADS_MAX);
      const said = `${told.code}, ${told.reason}, ${told.outcome}, again in ${told.retryAfterMs}ms`;
      return `${begun} loads at a time, then ${said}; and that was right`;
    } catch (error) {
      const again = refusalOf(error);
      if (again.reason !== told.reason) throw error;
      told = again;
    }
  }
  throw new Error("10 s after the connection has ended its loads still count");
}

async function refusedAs(reason: string, attempt: Promise<unknown>): Promise<Refusal> {
  try {
    expect(false, reason, await attempt);
  } catch (error) {
    const told = refusalOf(error);
    if (told.reason !== reason || told.outcome !== "NOT_APPLIED") throw error;
    return told;
  }
}

async function main(): Promise<void> {
  const stubs = addresses.map((address) => connect(address));
  const steps: [string, (stubs: CacheClient[]) => Promise<string>][] = [
    ["set, get", setAndGet],
    ["incr", increment],
    ["mget", getMany],
    ["any node", askAnyNode],
    ["large", getLargeValues],
    ["fill", fill],
    ["error", readAnError],
    ["retry", obeyABound],
  ];
  try {
    for (const [name, step] of steps) {
      const said = await step(stubs).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
      console.log(`${(name + ":").padEnd(9)} ${said}`);
    }
  } finally {
    stubs.forEach((stub) => stub.close());
  }
}

if (addresses.length === 0) {
  console.error("usage: basics HOST:PORT [HOST:PORT...]");
  process.exitCode = 2;
} else {
  main().catch((error: Error) => {
    console.error(`basics: ${error.message}`);
    process.exitCode = 1;
  });
}
