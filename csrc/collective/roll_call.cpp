#include "collective/roll_call.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace lmgc::collective {
namespace {

/// Ranks notice at their next exchange, which may come after an encode.
constexpr std::chrono::seconds kPatience{2};
constexpr std::chrono::milliseconds kPause{50};

struct Roll {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool answers = false;  ///< the store
  std::vector<bool> signed_in;
};

std::string key(std::size_t rank) { return "signed/" + std::to_string(rank); }

void call(c10d::Store& store, std::size_t own, Roll& roll) {
  store.set(key(own), std::vector<std::uint8_t>{1});
  const auto end = std::chrono::steady_clock::now() + kPatience;
  bool all = false;
  while (!all && std::chrono::steady_clock::now() < end) {
    std::vector<bool> signed_in(roll.signed_in.size());
    for (std::size_t rank = 0; rank < signed_in.size(); ++rank) {
      signed_in[rank] = store.check({key(rank)});
    }
    all = std::ranges::find(signed_in, false) == signed_in.end();
    {
      const std::lock_guard lock(roll.mutex);
      roll.signed_in = signed_in;
      roll.answers = true;
    }
    roll.changed.notify_all();
    if (!all) std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

std::string silent_ranks(const Roster& roster, const std::stop_token& stop) {
  const auto roll = std::make_shared<Roll>();
  roll->signed_in.resize(roster.global_ranks.size());
  const auto sign = [store = roster.store, roll, own = roster.own] {
    try {
      call(*store, own, *roll);
    } catch (const std::exception&) {
      // Gone with its process.
    }
  };
  try {
    // A store whose process hangs never answers, and its calls cannot be ended.
    std::thread(sign).detach();
  } catch (const std::exception&) {
    return {};  // no memory for a thread
  }
  std::unique_lock lock(roll->mutex);
  roll->changed.wait_for(lock, stop, kPatience, [&] {
    return std::ranges::find(roll->signed_in, false) == roll->signed_in.end();
  });
  std::string names;
  for (std::size_t rank = 0; roll->answers && rank < roll->signed_in.size(); ++rank) {
    if (roll->signed_in[rank]) continue;
    names += (names.empty() ? "" : ", ") + roster.name(rank);
  }
  return names;
}

}  // namespace lmgc::collective
