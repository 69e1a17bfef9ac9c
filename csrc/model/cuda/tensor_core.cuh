#pragma once

#include <cstdint>

/// PTX for what CUDA C++ has no words for. Fragments are those of mma.m16n8k32 (PTX ISA, matrix
/// fragments): thread 4 g + t of a warp holds, of A, 4 bytes from 4 t and from 16 + 4 t on of rows
/// g and g + 8; of B the same of column g; of C columns 2 t and 2 t + 1 of both rows.
namespace lmgc::model::cuda {

[[nodiscard]] static inline __device__ unsigned shared_address(const void* pointer) {
  return static_cast<unsigned>(__cvta_generic_to_shared(pointer));
}

/// 16 bytes, from device memory to shared.
static inline __device__ void copy_async(unsigned to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(to), "l"(from));
}

static inline __device__ void commit_copies() { asm volatile("cp.async.commit_group;\n"); }

/// Until at most `kUnderWay` of the committed groups are.
template <int kUnderWay>
static inline __device__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kUnderWay) : "memory");
}

/// Into the cache that all share.
static inline __device__ void prefetch(const void* from) {
  asm volatile("prefetch.global.L2 [%0];\n" ::"l"(from));
}

/// Four matrices of 8 rows of 16 bytes; each thread gives the address of one row.
static inline __device__ void load_matrices(std::uint32_t (&to)[4], unsigned row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(row)
               : "memory");
}

/// sums += int8 codes x int8 codes.
static inline __device__ void multiply_add(std::int32_t (&sums)[4], const std::uint32_t (&a)[4],
                                           const std::uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// sums += uint8 weights x int8 codes.
static inline __device__ void multiply_add_unsigned(std::int32_t (&sums)[4],
                                                    const std::uint32_t (&a)[4], std::uint32_t b0,
                                                    std::uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};\n"
      : "+r"(sums[0]), "+r"(sums[1]), "+r"(sums[2]), "+r"(sums[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace lmgc::model::cuda
