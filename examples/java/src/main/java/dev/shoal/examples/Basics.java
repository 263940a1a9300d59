package dev.shoal.examples;

import com.google.protobuf.ByteString;
import dev.shoal.v1.CacheGrpc;
import dev.shoal.v1.CacheGrpc.CacheBlockingStub;
import dev.shoal.v1.Fill;
import dev.shoal.v1.GetRequest;
import dev.shoal.v1.GetResponse;
import dev.shoal.v1.IncrRequest;
import dev.shoal.v1.MGetRequest;
import dev.shoal.v1.MSetRequest;
import dev.shoal.v1.SetRequest;
import dev.shoal.v1.SetResponse;
import dev.shoal.v1.Status;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Uses a Shoal cluster through nothing but generated stubs: it knows no partitions, and any node
 * serves it.
 *
 * <p>{@code java -jar target/basics.jar HOST:PORT [HOST:PORT...]}
 */
public final class Basics {
  private static final long TIMEOUT_SECONDS = 10;

  /** Enough that most of them are owned by other nodes. */
  private static final int KEYS_FOR_ONE_NODE = 32;

  /** As large as a value may be, and together more than one answer holds. */
  private static final int LARGE_VALUES = 8;

  private static final int LARGE_VALUE_BYTES = 1 << 20;

  /** What a node of much memory may answer; clients take 4 MiB unless told. */
  private static final int ANSWER_BYTES_MAX = 64 << 20;

  /** More than a node lets one partition have at a time. */
  private static final int LOADS_MAX = 100_000;

  /** Makes this run's keys its own. */
  private final String prefix = "java:" + System.nanoTime() + ":";

  private final List<String> addresses;
  private final List<ManagedChannel> channels;

  private Basics(List<String> addresses) {
    this.addresses = addresses;
    this.channels = addresses.stream().map(Basics::connect).toList();
  }

  /** What a step does, and says when it is done. */
  private interface Step {
    String run() throws Exception;
  }

  public static void main(String[] arguments) throws InterruptedException {
    if (arguments.length == 0) {
      System.err.println("usage: basics HOST:PORT [HOST:PORT...]");
      System.exit(2);
    }
    Basics basics = new Basics(List.of(arguments));
    boolean held =
        basics.says("set, get", basics::setAndGet)
            && basics.says("incr", basics::increment)
            && basics.says("mget", basics::getMany)
            && basics.says("any node", basics::askAnyNode)
            && basics.says("large", basics::getLargeValues)
            && basics.says("fill", basics::fill)
            && basics.says("error", basics::readAnError)
            && basics.says("retry", basics::obeyABound);
    for (ManagedChannel channel : basics.channels) {
      close(channel);
    }
    System.exit(held ? 0 : 1);
  }

  private boolean says(String name, Step step) {
    try {
      System.out.printf("%-9s %s%n", name + ":", step.run());
      return true;
    } catch (Exception failure) {
      Throwable cause = failure.getCause();
      System.err.println(
          "basics: " + name + ": " + failure + (cause == null ? "" : ": " + cause.getMessage()));
      return false;
    }
  }

  private static ManagedChannel connect(String address) {
    return Grpc.newChannelBuilder(address, InsecureChannelCredentials.create())
        .maxInboundMessageSize(ANSWER_BYTES_MAX)
        .build();
  }

  private static void close(ManagedChannel channel) throws InterruptedException {
    channel.shutdownNow().awaitTermination(TIMEOUT_SECONDS, TimeUnit.SECONDS);
  }

  private CacheBlockingStub stub(int node) {
    return stub(channels.get(node));
  }

  private static CacheBlockingStub stub(ManagedChannel channel) {
    return CacheGrpc.newBlockingStub(channel).withDeadlineAfter(TIMEOUT_SECONDS, TimeUnit.SECONDS);
  }

  private ByteString key(String name) {
    return ByteString.copyFromUtf8(prefix + name);
  }

  private SetRequest.Builder toSet(String name, String value) {
    return SetRequest.newBuilder().setKey(key(name)).setValue(ByteString.copyFromUtf8(value));
  }

  private GetRequest toGet(String name) {
    return GetRequest.newBuilder().setKey(key(name)).build();
  }

  private static void expect(boolean holds, String what, Object got) {
    if (!holds) {
      throw new IllegalStateException("expected " + what + ", got " + got);
    }
  }

  private String setAndGet() {
    SetResponse stored =
        stub(0).set(toSet("product:42", "a kettle").setTtlMs(600_000).build());
    GetResponse found = stub(0).get(toGet("product:42"));
    expect(
        found.getStatus() == Status.HIT && found.getValue().toStringUtf8().equals("a kettle"),
        "the value that was set",
        found);
    // A miss is an answer, not an error.
    GetResponse missed = stub(0).get(toGet("product:43"));
    expect(missed.getStatus() == Status.MISS, "a miss", missed);
    return "%s \"%s\", version %d.%d; a key that is not there is a %s"
        .formatted(
            found.getStatus(),
            found.getValue().toStringUtf8(),
            stored.getVersion().getEpoch(),
            stored.getVersion().getSeq(),
            missed.getStatus());
  }

  private String increment() {
    // The id makes it safe to send this again after an answer that was lost: it counts once.
    IncrRequest order =
        IncrRequest.newBuilder()
            .setKey(key("stock:42"))
            .setDelta(-1)
            .setInitial(100)
            .setRequestId(key("order:1"))
            .build();
    for (int time = 0; time < 2; time++) {
      long left = stub(0).incr(order).getValue();
      expect(left == 99, "99", left);
    }
    return "99 left of 100, though the order was sent twice";
  }

  private String getMany() {
    MSetRequest two =
        MSetRequest.newBuilder().addEntries(toSet("a", "1")).addEntries(toSet("c", "3")).build();
    for (SetResponse result : stub(0).mSet(two).getResultsList()) {
      expect(!result.hasError(), "no error", result);
    }
    MGetRequest three =
        MGetRequest.newBuilder().addKeys(key("a")).addKeys(key("b")).addKeys(key("c")).build();
    String said =
        stub(0).mGet(three).getEntriesList().stream()
            .map(entry -> entry.getStatus() + " \"" + entry.getValue().toStringUtf8() + "\"")
            .collect(Collectors.joining(", "));
    expect(said.equals("HIT \"1\", MISS \"\", HIT \"3\""), "two of three", said);
    return said + ", in the order asked";
  }

  /** Writes through one node alone, whoever owns the keys, and reads through every node. */
  private String askAnyNode() {
    for (int at = 0; at < KEYS_FOR_ONE_NODE; at++) {
      stub(0).set(toSet("any:" + at, "value " + at).build());
    }
    for (int node = 0; node < channels.size(); node++) {
      for (int at = 0; at < KEYS_FOR_ONE_NODE; at++) {
        GetResponse found = stub(node).get(toGet("any:" + at));
        expect(found.getValue().toStringUtf8().equals("value " + at), "value " + at, found);
      }
    }
    return "%d keys written through %s, read through each of %d nodes"
        .formatted(KEYS_FOR_ONE_NODE, addresses.get(0), channels.size());
  }

  /** Asks again for what one answer had no room for. */
  private String getLargeValues() {
    String value = "v".repeat(LARGE_VALUE_BYTES);
    List<String> missing = new ArrayList<>();
    for (int at = 0; at < LARGE_VALUES; at++) {
      missing.add("large:" + at);
      stub(0).set(toSet("large:" + at, value).build());
    }
    int answers = 0;
    for (; !missing.isEmpty(); answers++) {
      MGetRequest asked =
          MGetRequest.newBuilder().addAllKeys(missing.stream().map(this::key).toList()).build();
      List<GetResponse> found = stub(0).mGet(asked).getEntriesList();
      List<String> again = new ArrayList<>();
      for (int at = 0; at < found.size(); at++) {
        GetResponse entry = found.get(at);
        if (entry.getError().getReason().equals("BATCH_TOO_LARGE")) {
          again.add(missing.get(at));
        } else {
          expect(entry.getValue().toStringUtf8().equals(value), missing.get(at), entry.getError());
        }
      }
      expect(again.size() < missing.size(), "an answer that brings something", again);
      missing = again;
    }
    return "%d values of 1 MiB came in %d answers".formatted(LARGE_VALUES, answers);
  }

  /** Of all who miss a key at once one loads it, and the others wait for that. */
  private String fill() throws Exception {
    Fill agreement = Fill.newBuilder().setLeaseMs(5_000).setWaitMs(5_000).build();
    GetRequest ask = toGet("viral").toBuilder().setFill(agreement).build();
    GetResponse first = stub(0).get(ask);
    expect(
        first.getStatus() == Status.MISS && !first.getFillToken().isEmpty(),
        "a miss with a token",
        first);
    long started = System.nanoTime();
    var second = CacheGrpc.newFutureStub(channels.get(channels.size() - 1)).get(ask);
    String value = loadFromTheDatabase();
    expect(!second.isDone(), "no answer to the second caller before the load", second);
    stub(0).set(toSet("viral", value).setTtlMs(60_000).setFillToken(first.getFillToken()).build());
    GetResponse found = second.get(TIMEOUT_SECONDS, TimeUnit.SECONDS);
    long waitedMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - started);
    expect(
        found.getStatus() == Status.HIT && found.getValue().toStringUtf8().equals(value),
        "the loaded value",
        found);
    return "the first caller loaded; the second waited %d ms and got %s \"%s\""
        .formatted(waitedMs, found.getStatus(), value);
  }

  /** Stands for a query that takes its time. */
  private static String loadFromTheDatabase() throws InterruptedException {
    Thread.sleep(200);
    return "loaded once";
  }

  private String readAnError() {
    stub(0).set(toSet("text", "twelve").build());
    try {
      Object answer = stub(0).incr(IncrRequest.newBuilder().setKey(key("text")).build());
      throw new IllegalStateException("expected NOT_AN_INTEGER, got " + answer);
    } catch (StatusRuntimeException error) {
      Refusal told = Refusal.of(error);
      expect(told.reason().equals("NOT_AN_INTEGER") && told.mayBeRepeated(), "NOT_AN_INTEGER", error);
      return told.toString();
    }
  }

  /**
   * Begins loads and ends none, until the node says that it is enough, waits for as long as the
   * node says, and tries again. All keys have one hash tag, so one partition has them.
   */
  private String obeyABound() throws InterruptedException {
    List<GetResponse> begun = new ArrayList<>();
    ManagedChannel greedy = connect(addresses.get(0));
    Refusal told;
    try {
      while (begun.size() < LOADS_MAX) {
        begun.add(stub(greedy).get(toLoad(begun.size())));
      }
      throw new IllegalStateException("nothing was refused of " + begun.size() + " loads");
    } catch (StatusRuntimeException error) {
      told = Refusal.of(error);
      expect(
          told.reason().equals("TOO_MANY_REQUESTS")
              && told.retryAfterMs() > 0
              && told.mayBeRepeated(),
          "TOO_MANY_REQUESTS with RetryInfo",
          error);
    } finally {
      // The end of a connection gives back the tokens that were given over it.
      close(greedy);
    }
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMEOUT_SECONDS);
    while (System.nanoTime() < deadline) {
      Thread.sleep(told.retryAfterMs());
      try {
        stub(0).get(toLoad(begun.size()));
        return "%d loads at a time, then %s; and that was right".formatted(begun.size(), told);
      } catch (StatusRuntimeException error) {
        expect(Refusal.of(error).reason().equals(told.reason()), told.reason(), error);
        told = Refusal.of(error);
      }
    }
    throw new IllegalStateException("10 s after the connection has ended its loads still count");
  }

  private GetRequest toLoad(int number) {
    return GetRequest.newBuilder()
        .setKey(ByteString.copyFromUtf8("{" + prefix + "loads}:" + number))
        .setFill(Fill.newBuilder().setLeaseMs(60_000))
        .build();
  }
}
