#include "block.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <utility>

#include "cuda_on_host.h"

namespace lmgc::cuda_on_host {
namespace {

constexpr std::size_t kStackBytes = 64 << 10;

/// Where threads wait until `expected` of them have come.
struct Meeting {
  unsigned expected, arrived = 0, round = 0;
};

struct Warp {
  Meeting meeting{kWarp};
  const void* purpose = nullptr;
  std::array<void*, kWarp> parts{};
};

struct Thread {
  jmp_buf at;
  ucontext_t start;
  std::unique_ptr<std::byte[]> stack;
  bool begun = false, done = false, waited_for_earlier = false;
  const Meeting* waits_for = nullptr;
  unsigned round = 0;
  UnderWay under_way;
};

/// Copies are done when they are waited for; until then what they replace is overwritten.
struct Barrier {
  Meeting meeting{0};  ///< its rounds are those that are expected
  unsigned done = 0;
  std::size_t expected = 0;
  std::vector<std::pair<std::span<std::byte>, const std::byte*>> copies;
};

struct Block {
  const std::function<void()>* body = nullptr;
  std::span<std::byte> shared;
  Meeting meeting{0};
  std::map<unsigned, Meeting> teams;  ///< by their first thread
  std::vector<Warp> warps;
  std::map<unsigned, Barrier> barriers;
  std::vector<Thread> threads;
  Thread* running = nullptr;
  jmp_buf scheduler;
  std::string failure;
};

Block block;

[[noreturn]] void leave_thread() { _longjmp(block.scheduler, 1); }

void wait() {
  if (_setjmp(block.running->at) == 0) leave_thread();
}

/// Returns with the last thread that comes; the others wait for it.
void meet(Meeting& meeting) {
  if (++meeting.arrived == meeting.expected) {
    meeting.arrived = 0;
    ++meeting.round;
    return;
  }
  block.running->waits_for = &meeting;
  block.running->round = meeting.round;
  wait();
}

/// Stays for the next blocks.
void thread_main() {
  for (;;) {
    (*block.body)();
    block.running->done = true;
    wait();
  }
}

[[nodiscard]] bool can_go_on(const Thread& thread) {
  return !thread.done && (thread.waits_for == nullptr || thread.waits_for->round != thread.round);
}

/// Lets a thread run until it waits or ends.
[[gnu::noinline]] void resume(Thread& thread) {
  block.running = &thread;
  threadIdx = {static_cast<unsigned>(&thread - block.threads.data()), 0, 0};
  if (_setjmp(block.scheduler) != 0) return;
  if (thread.begun) _longjmp(thread.at, 1);
  thread.begun = true;
  setcontext(&thread.start);
}

void prepare(Thread& thread) {
  if (!thread.stack) thread.stack = std::make_unique_for_overwrite<std::byte[]>(kStackBytes);
  if (!thread.done) thread.begun = false;  // what a failed block left behind
  thread.done = thread.waited_for_earlier = false, thread.waits_for = nullptr;
  thread.under_way = {};
  if (thread.begun) return;
  getcontext(&thread.start);
  thread.start.uc_stack = {thread.stack.get(), 0, kStackBytes};
  thread.start.uc_link = nullptr;
  makecontext(&thread.start, &thread_main, 0);
}

/// Makes a fault of a thread the block's failure.
class FaultsFail {
 public:
  FaultsFail() {
    struct sigaction action = {};
    action.sa_handler = [](int signal) {
      fail(signal == SIGSEGV ? "a thread reads or writes past the end of memory"
                             : "a thread reads or writes what is not aligned, or not in its array");
    };
    action.sa_flags = SA_NODEFER;  // the handler is left by a jump
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  FaultsFail(const FaultsFail&) = delete;
  FaultsFail& operator=(const FaultsFail&) = delete;
  ~FaultsFail() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }

 private:
  static constexpr std::array kSignals = {SIGSEGV, SIGILL};
  std::array<struct sigaction, kSignals.size()> before_;
};

[[nodiscard]] bool run_warp(std::size_t warp) {
  bool moved = false;
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = warp * kWarp; i < (warp + 1) * kWarp; ++i) {
      if (block.failure.empty() && can_go_on(block.threads[i])) {
        resume(block.threads[i]);
        again = moved = true;
      }
    }
  }
  return moved;
}

}  // namespace

void run_block(std::size_t index, unsigned threads, std::span<std::byte> shared,
               const std::function<void()>& body) {
  const std::size_t warps = threads / kWarp;
  block.body = &body;
  block.shared = shared;
  block.meeting = {threads};
  block.teams.clear();
  block.warps.assign(warps, {});
  block.barriers.clear();
  block.failure.clear();
  if (block.threads.size() < threads) block.threads.resize(threads);
  for (unsigned i = 0; i < threads; ++i) prepare(block.threads[i]);
  const FaultsFail faults_fail;
  for (bool moved = true; moved;) {
    moved = false;
    for (std::size_t i = 0; i < warps; ++i) {
      moved |= run_warp(index % 2 == 0 ? i : warps - 1 - i);
    }
  }
  if (!block.failure.empty()) throw std::logic_error(block.failure);
  for (unsigned i = 0; i < threads; ++i) {
    if (!block.threads[i].done) {
      throw std::logic_error("thread " + std::to_string(i) + " waits for one that does not come");
    }
    if (!block.threads[i].waited_for_earlier) {
      throw std::logic_error("a kernel does not wait for the ones before it");
    }
  }
}

Running running() {
  Thread& thread = *block.running;
  return {threadIdx.x, block.shared, thread.under_way};
}

void fail(const std::string& message) {
  block.failure = message;
  leave_thread();
}

void wait_for_earlier() { block.running->waited_for_earlier = true; }

void wait_for_block() { meet(block.meeting); }

void wait_for_team(unsigned threads) {
  meet(block.teams.try_emplace(threadIdx.x / threads * threads, Meeting{threads}).first->second);
}

void make_barrier(unsigned barrier) { block.barriers.try_emplace(barrier); }

namespace {

[[nodiscard]] Barrier& made(unsigned barrier) {
  const auto found = block.barriers.find(barrier);
  if (found == block.barriers.end()) fail("a barrier that is not made");
  return found->second;
}

}  // namespace

void expect(unsigned barrier, std::size_t bytes) {
  Barrier& at = made(barrier);
  if (at.meeting.round != at.done) fail("a barrier expects bytes before those expected are there");
  at.expected = bytes;
  ++at.meeting.round;
}

void copy(unsigned barrier, std::span<std::byte> to, const std::byte* from) {
  std::memset(to.data(), 0x55, to.size());
  made(barrier).copies.emplace_back(to, from);
}

void wait_for_copies(unsigned barrier, unsigned round) {
  Barrier& at = made(barrier);
  while (at.done % 2 == round) {
    if (at.meeting.round == at.done) {  // not expected yet
      block.running->waits_for = &at.meeting;
      block.running->round = at.meeting.round;
      wait();
      continue;
    }
    std::size_t bytes = 0;
    for (const auto& [to, from] : at.copies) {
      std::memcpy(to.data(), from, to.size());
      bytes += to.size();
    }
    if (bytes != at.expected) fail("a barrier expects other bytes than are copied");
    at.copies.clear();
    ++at.done;
  }
}

void with_warp(const void* purpose, void* part,
               const std::function<void(std::span<void* const, kWarp>)>& body) {
  Warp& warp = block.warps[threadIdx.x / kWarp];
  if (warp.meeting.arrived == 0) warp.purpose = purpose;
  if (warp.purpose != purpose) fail("threads of a warp meet in different operations");
  warp.parts[threadIdx.x % kWarp] = part;
  if (warp.meeting.arrived + 1 == warp.meeting.expected) body(warp.parts);
  meet(warp.meeting);
}

}  // namespace lmgc::cuda_on_host
