#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "block.h"

/// Twin of csrc/model/cuda/tensor_core.cuh, with the fragments of the PTX ISA. An address in shared
/// memory is an offset from its start; what is beyond its end, or not aligned, fails.
namespace lmgc::model::cuda {

[[nodiscard]] static inline unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(static_cast<const std::byte*>(pointer) -
                               cuda_on_host::running().shared.data());
}

[[nodiscard]] static inline std::byte* shared_piece(unsigned address) {
  const auto shared = cuda_on_host::running().shared;
  if (address % 16 != 0 || address + std::size_t{16} > shared.size()) {
    cuda_on_host::fail("no piece of 16 bytes of shared memory at " + std::to_string(address));
  }
  return shared.data() + address;
}

static inline void copy_async(unsigned to, const void* from) {
  auto& under_way = cuda_on_host::running().under_way;
  under_way.copies.push_back(
      {shared_piece(to), static_cast<const std::byte*>(from), under_way.copy_groups});
}

static inline void commit_copies() { ++cuda_on_host::running().under_way.copy_groups; }

template <int kUnderWay>
static inline void wait_for_copies() {
  auto& under_way = cuda_on_host::running().under_way;
  std::erase_if(under_way.copies, [&](const cuda_on_host::Copy& copy) {
    const bool is_due = copy.group + kUnderWay < under_way.copy_groups;
    if (is_due) std::memcpy(copy.to, copy.from, 16);
    return is_due;
  });
}

static inline void prefetch(const void*) {}

static inline void load_matrices(std::uint32_t (&to)[4], unsigned row) {
  struct Part {
    const std::byte* row;
    std::uint32_t* to;
  } part{shared_piece(row), to};
  cuda_on_host::with_warp(part, [](const auto& part_of) {
    for (unsigned lane = 0; lane < 32; ++lane) {
      for (unsigned matrix = 0; matrix < 4; ++matrix) {
        std::memcpy(part_of(lane).to + matrix, part_of(8 * matrix + lane / 4).row + lane % 4 * 4,
                    4);
      }
    }
  });
}

/// Of fragment A or B: bytes [row or column, inner], the `upper` ones 8 rows on.
using Codes = std::array<std::array<std::int16_t, 32>, 16>;

template <typename Code>
static inline void put_codes(Codes& codes, unsigned lane, unsigned upper, unsigned half,
                             std::uint32_t four) {
  Code bytes[4];
  std::memcpy(bytes, &four, 4);
  std::ranges::copy(bytes, codes[lane / 4 + 8 * upper].begin() + 16 * half + 4 * (lane % 4));
}

/// mma.m16n8k32 of A's codes of type Left.
template <typename Left>
static inline void multiply_add_as(std::int32_t (&sums)[4], const std::uint32_t (&a)[4],
                                   std::uint32_t b0, std::uint32_t b1) {
  struct Part {
    std::int32_t* sums;
    const std::uint32_t* a;
    std::uint32_t b[2];
  } part{sums, a, {b0, b1}};
  cuda_on_host::with_warp(part, [](const auto& part_of) {
    Codes left, right;
    for (unsigned lane = 0; lane < 32; ++lane) {
      for (unsigned i = 0; i < 4; ++i)
        put_codes<Left>(left, lane, i % 2, i / 2, part_of(lane).a[i]);
      for (unsigned i = 0; i < 2; ++i)
        put_codes<std::int8_t>(right, lane, 0, i, part_of(lane).b[i]);
    }
    for (unsigned lane = 0; lane < 32; ++lane) {
      for (unsigned i = 0; i < 4; ++i) {
        const auto& row = left[lane / 4 + i / 2 * 8];
        const auto& column = right[lane % 4 * 2 + i % 2];
        std::int32_t sum = 0;
        for (std::size_t k = 0; k < 32; ++k) sum += row[k] * column[k];
        part_of(lane).sums[i] += sum;
      }
    }
  });
}

static inline void multiply_add(std::int32_t (&sums)[4], const std::uint32_t (&a)[4],
                                const std::uint32_t (&b)[2]) {
  multiply_add_as<std::int8_t>(sums, a, b[0], b[1]);
}

static inline void multiply_add_unsigned(std::int32_t (&sums)[4], const std::uint32_t (&a)[4],
                                         std::uint32_t b0, std::uint32_t b1) {
  multiply_add_as<std::uint8_t>(sums, a, b0, b1);
}

}  // namespace lmgc::model::cuda
