// Uses a Shoal cluster through nothing but generated stubs: it knows no partitions, and any node
// serves it.
//
//   build/basics HOST:PORT [HOST:PORT...]

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "refusal.h"
#include "shoal/v1/cache.grpc.pb.h"

namespace {

using namespace std::chrono_literals;
namespace v1 = shoal::v1;
using Clock = std::chrono::steady_clock;
using Stub = std::unique_ptr<v1::Cache::Stub>;

constexpr auto kTimeout = 10s;
// Enough that most of them are owned by other nodes.
constexpr int kKeysForOneNode = 32;
// As large as a value may be, and together more than one answer holds.
constexpr int kLargeValues = 8;
constexpr std::size_t kLargeValueBytes = 1 << 20;
// What a node of much memory may answer; clients take 4 MiB unless told.
constexpr int kAnswerBytesMax = 64 << 20;
// More than a node lets one partition have at a time.
constexpr int kLoadsMax = 100'000;

// A call that failed, where the program needs it to succeed.
struct Failed : std::runtime_error {
  explicit Failed(const grpc::Status& status)
      : std::runtime_error(status.error_message() + " (" + shoal::Refusal::of(status).text() + ")") {}
};

void expect(bool holds, const std::string& what, const std::string& got) {
  if (!holds) throw std::runtime_error("expected " + what + ", got " + got);
}

// Channels to one address share a connection, unless they have a pool of their own.
Stub connect(const std::string& address, bool of_its_own = false) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, of_its_own ? 1 : 0);
  return v1::Cache::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

// One unary call with a deadline: call(stub, &v1::Cache::Stub::Get, request, &answer).
template <typename Method, typename Request, typename Answer>
grpc::Status call(const Stub& stub, Method method, const Request& request, Answer* answer) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kTimeout);
  return (stub.get()->*method)(&context, request, answer);
}

class Basics {
 public:
  explicit Basics(std::vector<std::string> addresses) : addresses_(std::move(addresses)) {
    for (const auto& address : addresses_) stubs_.push_back(connect(address));
  }

  void run() {
    say("set, get", [this] { return set_and_get(); });
    say("incr", [this] { return increment(); });
    say("mget", [this] { return get_many(); });
    say("any node", [this] { return ask_any_node(); });
    say("large", [this] { return get_large_values(); });
    say("fill", [this] { return fill(); });
    say("error", [this] { return read_an_error(); });
    say("retry", [this] { return obey_a_bound(); });
  }

 private:
  void say(const std::string& name, const std::function<std::string()>& step) {
    try {
      std::printf("%-9s %s\n", (name + ":").c_str(), step().c_str());
    } catch (const std::exception& failure) {
      throw std::runtime_error(name + ": " + failure.what());
    }
  }

  std::string key(const std::string& name) const { return prefix_ + name; }

  v1::SetRequest to_set(const std::string& name, const std::string& value) const {
    v1::SetRequest request;
    request.set_key(key(name));
    request.set_value(value);
    return request;
  }

  v1::SetResponse set(const v1::SetRequest& request) const {
    v1::SetResponse answer;
    auto status = call(stubs_.front(), &v1::Cache::Stub::Set, request, &answer);
    if (!status.ok()) throw Failed(status);
    return answer;
  }

  static v1::GetResponse get(const Stub& stub, const v1::GetRequest& request) {
    v1::GetResponse answer;
    auto status = call(stub, &v1::Cache::Stub::Get, request, &answer);
    if (!status.ok()) throw Failed(status);
    return answer;
  }

  v1::GetRequest to_get(const std::string& name) const {
    v1::GetRequest request;
    request.set_key(key(name));
    return request;
  }

  std::string set_and_get() {
    auto request = to_set("product:42", "a kettle");
    request.set_ttl_ms(600'000);
    const auto version = set(request).version();
    const auto found = get(stubs_.front(), to_get("product:42"));
    expect(found.status() == v1::HIT && found.value() == "a kettle", "the value that was set",
           found.ShortDebugString());
    // A miss is an answer, not an error.
    const auto missed = get(stubs_.front(), to_get("product:43"));
    expect(missed.status() == v1::MISS, "a miss", missed.ShortDebugString());
    return v1::Status_Name(found.status()) + " \"" + found.value() + "\", version " +
           std::to_string(version.epoch()) + "." + std::to_string(version.seq()) +
           "; a key that is not there is a " + v1::Status_Name(missed.status());
  }

  std::string increment() {
    // The id makes it safe to send this again after an answer that was lost: it counts once.
    v1::IncrRequest request;
    request.set_key(key("stock:42"));
    request.set_delta(-1);
    request.set_initial(100);
    request.set_request_id(key("order:1"));
    for (int time = 0; time < 2; ++time) {
      v1::IncrResponse left;
      auto status = call(stubs_.front(), &v1::Cache::Stub::Incr, request, &left);
      if (!status.ok()) throw Failed(status);
      expect(left.value() == 99, "99", std::to_string(left.value()));
    }
    return "99 left of 100, though the order was sent twice";
  }

  std::string get_many() {
    v1::MSetRequest two;
    *two.add_entries() = to_set("a", "1");
    *two.add_entries() = to_set("c", "3");
    v1::MSetResponse stored;
    auto status = call(stubs_.front(), &v1::Cache::Stub::MSet, two, &stored);
    if (!status.ok()) throw Failed(status);
    for (const auto& result : stored.results()) {
      expect(!result.has_error(), "no error", result.ShortDebugString());
    }
    v1::MGetRequest three;
    for (const char* name : {"a", "b", "c"}) three.add_keys(key(name));
    v1::MGetResponse found;
    status = call(stubs_.front(), &v1::Cache::Stub::MGet, three, &found);
    if (!status.ok()) throw Failed(status);
    std::string said;
    for (const auto& entry : found.entries()) {
      said += v1::Status_Name(entry.status()) + " \"" + entry.value() + "\", ";
    }
    expect(said == R"(HIT "1", MISS "", HIT "3", )", "two of three", said);
    return said + "in the order asked";
  }

  // Writes through one node alone, whoever owns the keys, and reads through every node.
  std::string ask_any_node() {
    for (int at = 0; at < kKeysForOneNode; ++at) {
      const auto name = "any:" + std::to_string(at);
      set(to_set(name, name));
    }
    for (const auto& stub : stubs_) {
      for (int at = 0; at < kKeysForOneNode; ++at) {
        const auto name = "any:" + std::to_string(at);
        const auto found = get(stub, to_get(name));
        expect(found.value() == name, name, found.ShortDebugString());
      }
    }
    return std::to_string(kKeysForOneNode) + " keys written through " + addresses_.front() +
           ", read through each of " + std::to_string(stubs_.size()) + " nodes";
  }

  // Asks again for what one answer had no room for.
  std::string get_large_values() {
    const std::string value(kLargeValueBytes, 'v');
    std::vector<std::string> missing;
    for (int at = 0; at < kLargeValues; ++at) {
      missing.push_back("large:" + std::to_string(at));
      set(to_set(missing.back(), value));
    }
    int answers = 0;
    for (; !missing.empty(); ++answers) {
      v1::MGetRequest request;
      for (const auto& name : missing) request.add_keys(key(name));
      v1::MGetResponse found;
      auto status = call(stubs_.front(), &v1::Cache::Stub::MGet, request, &found);
      if (!status.ok()) throw Failed(status);
      std::vector<std::string> again;
      for (int at = 0; at < found.entries_size(); ++at) {
        const auto& entry = found.entries(at);
        if (entry.error().reason() == "BATCH_TOO_LARGE") {
          again.push_back(missing[at]);
        } else {
          expect(entry.value() == value, missing[at], entry.error().ShortDebugString());
        }
      }
      expect(again.size() < missing.size(), "an answer that brings something", "nothing");
      missing = again;
    }
    return std::to_string(kLargeValues) + " values of 1 MiB came in " + std::to_string(answers) +
           " answers";
  }

  // Of all who miss a key at once one loads it, and the others wait for that.
  std::string fill() {
    auto ask = to_get("viral");
    ask.mutable_fill()->set_lease_ms(5'000);
    ask.mutable_fill()->set_wait_ms(5'000);
    const auto first = get(stubs_.front(), ask);
    expect(first.status() == v1::MISS && !first.fill_token().empty(), "a miss with a token",
           first.ShortDebugString());
    const auto started = Clock::now();
    auto second = std::async(std::launch::async, [&] { return get(stubs_.back(), ask); });
    const auto value = load_from_the_database();
    expect(second.wait_for(0s) == std::future_status::timeout, "the second caller to wait",
           "its answer before the load");
    auto loaded = to_set("viral", value);
    loaded.set_ttl_ms(60'000);
    loaded.set_fill_token(first.fill_token());
    set(loaded);
    const auto found = second.get();
    const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started);
    expect(found.status() == v1::HIT && found.value() == value, "the loaded value",
           found.ShortDebugString());
    return "the first caller loaded; the second waited " + std::to_string(waited.count()) +
           " ms and got " + v1::Status_Name(found.status()) + " \"" + found.value() + "\"";
  }

  // Stands for a query that takes its time.
  static std::string load_from_the_database() {
    std::this_thread::sleep_for(200ms);
    return "loaded once";
  }

  std::string read_an_error() {
    set(to_set("text", "twelve"));
    v1::IncrRequest request;
    request.set_key(key("text"));
    v1::IncrResponse answer;
    const auto status = call(stubs_.front(), &v1::Cache::Stub::Incr, request, &answer);
    const auto told = shoal::Refusal::of(status);
    expect(told.code == grpc::StatusCode::INVALID_ARGUMENT && told.reason == "NOT_AN_INTEGER" &&
               told.may_be_repeated(),
           "NOT_AN_INTEGER", told.text());
    return told.text();
  }

  // Begins loads and ends none, until the node says that it is enough, waits for as long as the
  // node says, and tries again. All keys have one hash tag, so one partition has them.
  std::string obey_a_bound() {
    auto load = [this](const Stub& stub, int number) {
      v1::GetRequest request;
      request.set_key("{" + prefix_ + "loads}:" + std::to_string(number));
      request.mutable_fill()->set_lease_ms(60'000);
      v1::GetResponse answer;
      return call(stub, &v1::Cache::Stub::Get, request, &answer);
    };
    auto greedy = connect(addresses_.front(), /*of_its_own=*/true);
    int begun = 0;
    grpc::Status status;
    while (begun < kLoadsMax && (status = load(greedy, begun)).ok()) ++begun;
    // The end of a connection gives back the tokens that were given over it.
    greedy.reset();
    auto told = shoal::Refusal::of(status);
    expect(told.reason == "TOO_MANY_REQUESTS" && told.retry_after > 0ms && told.may_be_repeated(),
           "TOO_MANY_REQUESTS with RetryInfo", told.text());
    for (const auto deadline = Clock::now() + kTimeout; Clock::now() < deadline;) {
      std::this_thread::sleep_for(told.retry_after);
      status = load(stubs_.front(), begun);
      if (status.ok()) {
        return std::to_string(begun) + " loads at a time, then " + told.text() +
               "; and that was right";
      }
      const auto again = shoal::Refusal::of(status);
      if (again.reason != told.reason) throw Failed(status);
      told = again;
    }
    throw std::runtime_error("10 s after the connection has ended its loads still count");
  }

  std::vector<std::string> addresses_;
  std::vector<Stub> stubs_;
  // Makes this run's keys its own.
  const std::string prefix_ =
      "cpp:" + std::to_string(Clock::now().time_since_epoch().count()) + ":";
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fputs("usage: basics HOST:PORT [HOST:PORT...]\n", stderr);
    return 2;
  }
  try {
    Basics({arguments + 1, arguments + count}).run();
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "basics: %s\n", failure.what());
    return 1;
  }
  return 0;
}
