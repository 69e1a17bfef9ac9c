#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

/// A block of a kernel's threads, each on a stack of its own, one running at a time until it waits
/// for others. A warp goes as far as it can before the next does, every other block the last warp
/// first: what misses a barrier reads too early or too late.
namespace lmgc::cuda_on_host {

inline constexpr unsigned kWarp = 32;

/// A copy that cp.async has begun: it is done no earlier than it is waited for.
struct Copy {
  std::byte* to;
  const std::byte* from;
  std::size_t group;
};

/// A thread's part of a product of its warpgroup: done no earlier than it is waited for.
struct Product {
  void* sums;
  unsigned tiles;
  std::uint64_t a, b;  ///< descriptors
  std::size_t seen;    ///< a hash of what it reads, when it began
};

/// What a thread has begun.
struct UnderWay {
  std::vector<Copy> copies;
  std::size_t copy_groups = 0;  ///< committed
  std::vector<Product> products;
};

/// What is known of the running thread.
struct Running {
  unsigned thread;
  std::span<std::byte> shared;  ///< dynamic shared memory of its block
  UnderWay& under_way;
};

/// Where launches go instead of being run; null: they are run.
inline std::vector<std::function<void()>>* recording = nullptr;

/// Calls body() as each of `threads` threads, whole warps, of block `index`. Throws
/// std::logic_error if some wait for others that do not come, `fail` was called, or one reads or
/// writes past the end of guarded memory or what is not aligned.
void run_block(std::size_t index, unsigned threads, std::span<std::byte> shared,
               const std::function<void()>& body);

[[nodiscard]] Running running();
/// Ends the block.
[[noreturn]] void fail(const std::string& message);

/// Says that this thread waits for earlier kernels: each of a block must.
void wait_for_earlier();
/// Waits for the other threads of the block.
void wait_for_block();
/// Waits for the other threads of a team: this many neighbours.
void wait_for_team(unsigned threads);
/// A barrier of the block at this place, once it is made; bulk copies of a round: `expect`, then
/// `copy` of as many bytes as that says, then whoever waits for it.
void make_barrier(unsigned barrier);
void expect(unsigned barrier, std::size_t bytes);
void copy(unsigned barrier, std::span<std::byte> to, const std::byte* from);
void wait_for_copies(unsigned barrier, unsigned round);
/// Waits for the other threads of the warp, all of which call it for the same `purpose`; the last
/// one calls body with what they gave.
void with_warp(const void* purpose, void* part,
               const std::function<void(std::span<void* const, kWarp>)>& body);

/// The same for parts of a type.
template <typename Part, typename Body>
void with_warp(Part& part, const Body& body) {
  static const char purpose = 0;
  with_warp(&purpose, &part, [&body](std::span<void* const, kWarp> parts) {
    body([parts](unsigned lane) -> Part& { return *static_cast<Part*>(parts[lane]); });
  });
}

}  // namespace lmgc::cuda_on_host
