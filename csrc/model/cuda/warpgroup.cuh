#pragma once

#include <cstdint>

/// PTX for what Hopper alone has (PTX ISA: asynchronous warpgroup level matrix instructions, bulk
/// copies, mbarrier). Of fragments C, warp w of a warpgroup has rows 16 w to 16 w + 15, in them as
/// mma.m16n8k32.
namespace lmgc::model::cuda {

inline constexpr int kWarpgroup = 128;

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LMGC_HAS_WARPGROUPS
#endif

/// The same for all threads of a warp, which compilers do not know of threadIdx / kWarpgroup: where
/// threads might part, they let one product wait for the other.
[[nodiscard]] static inline __device__ int warpgroup_of_thread() {
  return __shfl_sync(~0U, static_cast<int>(threadIdx.x) / kWarpgroup, 0);
}

/// Waits for the other threads of a team of kTeam warpgroups, the block's `team`th.
template <int kTeam>
static inline __device__ void sync_warpgroups(int team) {
  asm volatile("bar.sync %0, %1;\n" ::"r"(team + 1), "n"(kTeam * kWarpgroup) : "memory");
}

/// Bytes of shared memory that bulk copies wait with.
inline constexpr unsigned kBarrierBytes = 8;

/// By one thread, before the block meets.
static inline __device__ void make_barrier(unsigned barrier) {
  asm volatile(
      "mbarrier.init.shared::cta.b64 [%0], 1;\n"
      "fence.mbarrier_init.release.cluster;\n" ::"r"(barrier)
      : "memory");
}

/// So many bytes will come; by one thread, before it copies them.
static inline __device__ void expect_bytes(unsigned barrier, unsigned bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;\n" ::"r"(barrier), "r"(bytes)
               : "memory");
}

/// From device memory to shared, multiples of 16 bytes.
static inline __device__ void copy_bulk(unsigned to, const void* from, unsigned bytes,
                                        unsigned barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];\n" ::
          "r"(to),
      "l"(from), "r"(bytes), "r"(barrier)
      : "memory");
}

/// Until those of the barrier's round are there; rounds are 0 and 1 by turns.
static inline __device__ void wait_for_bytes(unsigned barrier, unsigned round) {
  unsigned done = 0;
  while (done == 0) {
    asm volatile(
        "{\n.reg .pred done;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%1], %2;\n"
        "selp.u32 %0, 1, 0, done;\n}\n"
        : "=r"(done)
        : "r"(barrier), "r"(round)
        : "memory");
  }
}

/// Of a matrix in bricks, the first at an address in shared memory; from one to that of the next 8
/// rows there are `stride` bytes.
[[nodiscard]] static inline __device__ std::uint64_t matrix_at(unsigned address, unsigned stride) {
  constexpr std::uint64_t kSwizzleOf64 = std::uint64_t{2} << 62;
  return kSwizzleOf64 | std::uint64_t{stride >> 4} << 32 | std::uint64_t{1} << 16 |
         (address & 0x3FFFF) >> 4;
}

/// From there to the second half of the rows' codes.
inline constexpr std::uint64_t kHalfRow = 32 >> 4;
/// From there to the next bricks.
inline constexpr std::uint64_t kNextBrick = 512 >> 4;

/// Compilers know no more of a product under way than its `asm` says: what they do to its sums
/// before and after stays there.
template <int kTiles>
static inline __device__ void pin(std::int32_t (&sums)[kTiles][4]) {
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 4; ++i) asm volatile("" : "+r"(sums[tile][i])::"memory");
  }
}

/// Comes before the first product.
template <int kTiles>
static inline __device__ void begin_products(std::int32_t (&sums)[kTiles][4]) {
  pin(sums);
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}

/// Waits for those since then.
template <int kTiles>
static inline __device__ void end_products(std::int32_t (&sums)[kTiles][4]) {
  asm volatile(
      "wgmma.commit_group.sync.aligned;\n"
      "wgmma.wait_group.sync.aligned 0;\n" ::
          : "memory");
  pin(sums);
}

#define LMGC_TILE(i) "+r"(sums[i][0]), "+r"(sums[i][1]), "+r"(sums[i][2]), "+r"(sums[i][3])

/// sums += codes of 64 rows x codes of 8 * kTiles columns, 32 of each.
template <int kTiles>
static inline __device__ void multiply_add_group(std::int32_t (&sums)[kTiles][4], std::uint64_t a,
                                                 std::uint64_t b) {
  static_assert(kTiles == 6 || kTiles == 12);
  if constexpr (kTiles == 6) {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n48k32.s32.s8.s8 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "
        "%20, %21, %22, %23}, %24, %25, 1;\n"
        : LMGC_TILE(0), LMGC_TILE(1), LMGC_TILE(2), LMGC_TILE(3), LMGC_TILE(4), LMGC_TILE(5)
        : "l"(a), "l"(b));
  } else {
    asm volatile(
        "wgmma.mma_async.sync.aligned.m64n96k32.s32.s8.s8 {"
        "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "
        "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, "
        "%38, %39, %40, %41, %42, %43, %44, %45, %46, %47}, %48, %49, 1;\n"
        : LMGC_TILE(0), LMGC_TILE(1), LMGC_TILE(2), LMGC_TILE(3), LMGC_TILE(4), LMGC_TILE(5),
          LMGC_TILE(6), LMGC_TILE(7), LMGC_TILE(8), LMGC_TILE(9), LMGC_TILE(10), LMGC_TILE(11)
        : "l"(a), "l"(b));
  }
}

#undef LMGC_TILE

}  // namespace lmgc::model::cuda
