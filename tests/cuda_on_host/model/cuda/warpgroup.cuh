#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

#include "block.h"
#include "model/cuda/tensor_core.cuh"

/// Twin of csrc/model/cuda/warpgroup.cuh. A product reads its tiles when it begins and when it is
/// waited for, and they must be the same.
namespace lmgc::model::cuda {

#define LMGC_HAS_WARPGROUPS

inline constexpr int kWarpgroup = 128;

[[nodiscard]] static inline int warpgroup_of_thread() {
  return static_cast<int>(threadIdx.x) / kWarpgroup;
}

template <int kTeam>
static inline void sync_warpgroups(int team) {
  if (threadIdx.x / (kTeam * kWarpgroup) != static_cast<unsigned>(team)) {
    cuda_on_host::fail("a thread waits for a team that is not its own");
  }
  cuda_on_host::wait_for_team(kTeam * kWarpgroup);
}

inline constexpr unsigned kBarrierBytes = 8;

static inline void make_barrier(unsigned barrier) {
  if (barrier % kBarrierBytes != 0 ||
      barrier + kBarrierBytes > cuda_on_host::running().shared.size()) {
    cuda_on_host::fail("a barrier is not aligned, or not in shared memory");
  }
  cuda_on_host::make_barrier(barrier);
}

static inline void expect_bytes(unsigned barrier, unsigned bytes) {
  cuda_on_host::expect(barrier, bytes);
}

static inline void copy_bulk(unsigned to, const void* from, unsigned bytes, unsigned barrier) {
  static_cast<void>(shared_piece(to + bytes - 16));
  if (bytes % 16 != 0 || reinterpret_cast<std::uintptr_t>(from) % 16 != 0) {
    cuda_on_host::fail("a bulk copy is not of pieces of 16 bytes");
  }
  cuda_on_host::copy(barrier, {shared_piece(to), bytes}, static_cast<const std::byte*>(from));
}

static inline void wait_for_bytes(unsigned barrier, unsigned round) {
  cuda_on_host::wait_for_copies(barrier, round);
}

/// Address and stride; what the hardware has beside them is the same for all.
[[nodiscard]] static inline std::uint64_t matrix_at(unsigned address, unsigned stride) {
  if (address % 512 != 0) cuda_on_host::fail("a matrix begins in the middle of its swizzle");
  return std::uint64_t{stride >> 4} << 32 | address >> 4;
}

inline constexpr std::uint64_t kHalfRow = 32 >> 4;
inline constexpr std::uint64_t kNextBrick = 512 >> 4;

/// 32 codes of a row of the matrix: a swizzle of 64 bytes turns bits 4 and 5 by bits 7 and 8.
[[nodiscard]] static inline std::array<std::int8_t, 32> codes_of_row(std::uint64_t matrix,
                                                                     unsigned row) {
  std::array<std::int8_t, 32> codes;
  for (unsigned piece = 0; piece < 2; ++piece) {
    const auto first = static_cast<unsigned>(matrix << 4);
    const auto stride = static_cast<unsigned>(matrix >> 32 << 4);
    const unsigned address = first + row / 8 * stride + row % 8 * 64 + piece * 16;
    std::memcpy(codes.data() + 16 * piece, shared_piece(address ^ ((address >> 7 & 3) << 4)), 16);
  }
  return codes;
}

/// Of a warp's rows of the left tile, and of all columns.
[[nodiscard]] static inline std::size_t hash_of(const cuda_on_host::Product& product,
                                                unsigned warp) {
  std::string read;
  const auto add = [&](std::uint64_t matrix, unsigned row) {
    for (const std::int8_t code : codes_of_row(matrix, row)) read += static_cast<char>(code);
  };
  for (unsigned row = 0; row < 16; ++row) add(product.a, 16 * warp + row);
  for (unsigned column = 0; column < 8 * product.tiles; ++column) add(product.b, column);
  return std::hash<std::string>()(read);
}

template <int kTiles>
static inline void multiply_add_group(std::int32_t (&sums)[kTiles][4], std::uint64_t a,
                                      std::uint64_t b) {
  auto& under_way = cuda_on_host::running().under_way;
  under_way.products.push_back({sums, kTiles, a, b, 0});
  cuda_on_host::with_warp(under_way.products.back(), [](const auto& product_of) {
    const std::size_t seen = hash_of(product_of(0), threadIdx.x % kWarpgroup / 32);
    for (unsigned lane = 0; lane < 32; ++lane) product_of(lane).seen = seen;
  });
}

/// A warp's part of it.
template <typename ProductOf>
void carry_out(const ProductOf& product_of, unsigned warp) {
  const cuda_on_host::Product& product = product_of(0);
  if (hash_of(product, warp) != product.seen) {
    cuda_on_host::fail("tiles change while their product is under way");
  }
  for (unsigned lane = 0; lane < 32; ++lane) {
    auto* const sums = static_cast<std::int32_t (*)[4]>(product_of(lane).sums);
    for (unsigned tile = 0; tile < product.tiles; ++tile) {
      for (unsigned i = 0; i < 4; ++i) {
        const auto left = codes_of_row(product.a, 16 * warp + lane / 4 + i / 2 * 8);
        const auto right = codes_of_row(product.b, 8 * tile + lane % 4 * 2 + i % 2);
        for (std::size_t k = 0; k < 32; ++k) sums[tile][i] += left[k] * right[k];
      }
    }
  }
}

template <int kTiles>
static inline void begin_products(std::int32_t (&)[kTiles][4]) {}

template <int kTiles>
static inline void end_products(std::int32_t (&)[kTiles][4]) {
  auto& products = cuda_on_host::running().under_way.products;
  for (cuda_on_host::Product& product : products) {
    cuda_on_host::with_warp(product, [](const auto& product_of) {
      carry_out(product_of, threadIdx.x % kWarpgroup / 32);
    });
  }
  products.clear();
}

}  // namespace lmgc::model::cuda
