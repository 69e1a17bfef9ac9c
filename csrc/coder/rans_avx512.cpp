#include <immintrin.h>

#include <bit>

#include "coder/rans_steps.h"

/// AVX-512: 16 lanes a vector; expand and compress move words between memory and lanes.
namespace lmgc::coder {
namespace {

constexpr std::size_t kWidth = 16;

bool supported() {
  return __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0 && kAvx2Rans.supported();
}

/// Low and high dwords of 16 qwords.
struct Pairs {
  __m512i low;
  __m512i high;
};

/// The qwords at base + index * kScale bytes.
template <int kScale>
Pairs gathered_pairs(const void* base, __m512i index) {
  const __m512i zero = _mm512_setzero_si512();
  const __m512i a =
      _mm512_mask_i32gather_epi64(zero, 255, _mm512_castsi512_si256(index), base, kScale);
  const __m512i b =
      _mm512_mask_i32gather_epi64(zero, 255, _mm512_extracti64x4_epi64(index, 1), base, kScale);
  const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  const __m512i odd = _mm512_or_si512(even, _mm512_set1_epi32(1));
  return {_mm512_permutex2var_epi32(a, even, b), _mm512_permutex2var_epi32(a, odd, b)};
}

__m512i widened(const std::uint16_t* numbers) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(numbers)));
}

__m512i low_bits(__m512i x) { return _mm512_and_si512(x, _mm512_set1_epi32(kRansTotal - 1)); }

__m512i frequency_less_1(__m512i entry) {
  return low_bits(_mm512_srli_epi32(entry, kRansTotalBits));
}

/// Lanes whose slot lies after their entry.
__mmask16 lanes_beyond(__m512i entry, __m512i slot) {
  return _mm512_cmpgt_epi32_mask(_mm512_sub_epi32(slot, low_bits(entry)), frequency_less_1(entry));
}

struct Decoded {
  __m512i state;
  __m512i symbol;
};

/// One symbol of each lane, before its state takes a word.
[[gnu::always_inline]] inline Decoded decode_lanes(const RansView& tables, __m512i stride,
                                                   __m512i state, __m512i context) {
  const __m512i slot = low_bits(state);
  const __m512i guess_index =
      _mm512_add_epi32(_mm512_slli_epi32(context, kRansTotalBits - kRansGuessShift),
                       _mm512_srli_epi32(slot, kRansGuessShift));
  const __m512i guess = _mm512_and_si512(
      _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), 0xFFFF, guess_index, tables.guesses, 1),
      _mm512_set1_epi32(255));
  __m512i index = _mm512_add_epi32(_mm512_mullo_epi32(context, stride), guess);
  const __m512i one = _mm512_set1_epi32(1);
  const Pairs entries = gathered_pairs<4>(tables.decoder, index);
  __mmask16 beyond = lanes_beyond(entries.low, slot);
  __m512i entry = _mm512_mask_mov_epi32(entries.low, beyond, entries.high);
  index = _mm512_mask_add_epi32(index, beyond, index, one);
  beyond = lanes_beyond(entry, slot);
  while (beyond != 0) [[unlikely]] {
    index = _mm512_mask_add_epi32(index, beyond, index, one);
    entry = _mm512_mask_i32gather_epi32(entry, beyond, index, tables.decoder, 4);
    beyond = lanes_beyond(entry, slot);
  }
  const __m512i high = _mm512_srli_epi32(state, kRansTotalBits);
  const __m512i product = _mm512_add_epi32(_mm512_mullo_epi32(frequency_less_1(entry), high), high);
  return {_mm512_add_epi32(product, _mm512_sub_epi32(slot, low_bits(entry))),
          _mm512_srli_epi32(entry, 2 * kRansTotalBits)};
}

/// Gives a word to each lane whose state is too low.
[[gnu::always_inline]] inline __m512i refill(__m512i state, const std::byte*& at) {
  const __mmask16 low = _mm512_cmplt_epu32_mask(state, _mm512_set1_epi32(kRansLowest));
  const __m512i words = _mm512_maskz_expand_epi32(
      low, _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))));
  at += 2 * std::popcount(static_cast<unsigned>(low));
  return _mm512_mask_or_epi32(state, low, _mm512_slli_epi32(state, 16), words);
}

template <std::size_t kVectors>
const std::byte* decode_vectors(const RansView& tables, const std::uint16_t* contexts,
                                std::uint8_t* symbols, std::size_t count, std::uint32_t* states,
                                const std::byte* at, const std::byte* end) {
  constexpr std::size_t kLanes = kVectors * kWidth;
  constexpr std::ptrdiff_t kSafeBytes = 2 * kLanes;
  const __m512i stride = _mm512_set1_epi32(static_cast<int>(tables.stride));
  __m512i state[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) state[v] = _mm512_loadu_si512(states + v * kWidth);
  std::size_t i = 0;
  for (; i + kLanes <= count && end - at >= kSafeBytes; i += kLanes) {
#pragma GCC unroll 2
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Decoded decoded =
          decode_lanes(tables, stride, state[v], widened(contexts + i + v * kWidth));
      state[v] = refill(decoded.state, at);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(symbols + i + v * kWidth),
                       _mm512_cvtepi32_epi8(decoded.symbol));
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) _mm512_storeu_si512(states + v * kWidth, state[v]);
  return decode_steps(tables, contexts, symbols, i, count, states, kLanes, at, end);
}

/// (a * b) >> 32 of each lane.
__m512i multiply_high(__m512i a, __m512i b) {
  const __m512i even = _mm512_mul_epu32(a, b);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
  return _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xAAAA, odd);
}

/// One symbol of each lane, whose words go before `at`.
[[gnu::always_inline]] inline __m512i encode_lanes(const Pairs& entries, __m512i state,
                                                   std::byte*& at) {
  const __m512i complement = low_bits(_mm512_srli_epi32(entries.high, kRansTotalBits));
  const __mmask16 full = _mm512_cmpgt_epi32_mask(
      _mm512_add_epi32(_mm512_srli_epi32(state, kRansLimitShift), complement),
      _mm512_set1_epi32(kRansTotal - 1));
  const int words = std::popcount(static_cast<unsigned>(full));
  at -= 2 * words;
  _mm256_mask_storeu_epi16(at, static_cast<__mmask16>((1U << words) - 1),
                           _mm512_cvtepi32_epi16(_mm512_maskz_compress_epi32(full, state)));
  state = _mm512_mask_srli_epi32(state, full, state, 16);

  const __m512i addend = _mm512_srli_epi32(entries.high, 28);
  const __m512i shift =
      _mm512_and_si512(_mm512_srli_epi32(entries.high, 24), _mm512_set1_epi32(15));
  const __m512i quotient =
      _mm512_srlv_epi32(multiply_high(_mm512_add_epi32(state, addend), entries.low), shift);
  return _mm512_add_epi32(_mm512_add_epi32(state, low_bits(entries.high)),
                          _mm512_mullo_epi32(quotient, complement));
}

template <std::size_t kVectors>
std::byte* encode_vectors(const RansView& tables, const std::uint16_t* cells, std::size_t count,
                          std::uint32_t* states, std::byte* at) {
  constexpr std::size_t kLanes = kVectors * kWidth;
  const std::size_t whole = count - count % kLanes;
  at = encode_steps(tables, cells, whole, count, states, kLanes, at);
  if (at == nullptr) return nullptr;
  const __m512i stride = _mm512_set1_epi32(static_cast<int>(tables.stride));
  __m512i state[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) state[v] = _mm512_loadu_si512(states + v * kWidth);
  __m512i all = _mm512_set1_epi32(-1);
  for (std::size_t i = whole; i > 0; i -= kLanes) {
#pragma GCC unroll 2
    for (std::size_t back = 0; back < kVectors; ++back) {
      const std::size_t v = kVectors - 1 - back;
      const std::size_t first = i - kLanes + v * kWidth;
      const __m512i cell = widened(cells + first);
      const __m512i row = _mm512_mullo_epi32(_mm512_srli_epi32(cell, 8), stride);
      const __m512i index = _mm512_add_epi32(row, _mm512_and_si512(cell, _mm512_set1_epi32(255)));
      const Pairs entries = gathered_pairs<8>(tables.encoder, index);
      all = _mm512_and_si512(all, entries.low);
      state[v] = encode_lanes(entries, state[v], at);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) _mm512_storeu_si512(states + v * kWidth, state[v]);
  return _mm512_cmplt_epi32_mask(all, _mm512_setzero_si512()) == 0xFFFF ? at : nullptr;
}

std::byte* encode(const RansView& tables, const std::uint16_t* cells, std::size_t count,
                  std::uint32_t* states, std::size_t lanes, std::byte* end) {
  switch (lanes) {
    case 16:
      return encode_vectors<1>(tables, cells, count, states, end);
    case 32:
      return encode_vectors<2>(tables, cells, count, states, end);
    default:
      return kAvx2Rans.encode(tables, cells, count, states, lanes, end);
  }
}

const std::byte* decode(const RansView& tables, const std::uint16_t* contexts,
                        std::uint8_t* symbols, std::size_t count, std::uint32_t* states,
                        std::size_t lanes, const std::byte* at, const std::byte* end) {
  switch (lanes) {
    case 16:
      return decode_vectors<1>(tables, contexts, symbols, count, states, at, end);
    case 32:
      return decode_vectors<2>(tables, contexts, symbols, count, states, at, end);
    default:
      return kAvx2Rans.decode(tables, contexts, symbols, count, states, lanes, at, end);
  }
}

}  // namespace

const RansKernels kAvx512Rans = {
    .name = "avx512", .supported = supported, .encode = encode, .decode = decode};

}  // namespace lmgc::coder
