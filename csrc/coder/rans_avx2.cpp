#include <immintrin.h>

#include <array>
#include <bit>
#include <cstring>

#include "coder/rans_steps.h"

/// AVX2: 8 lanes a vector. What AVX2 lacks, moving the words of some lanes together and apart, is a
/// permutation looked up by the mask of those lanes.
namespace lmgc::coder {
namespace {

constexpr std::size_t kWidth = 8;
constexpr std::size_t kLoadBytes = 16;

bool supported() { return __builtin_cpu_supports("avx2") != 0; }

using Permutations = std::array<std::array<std::uint8_t, kWidth>, 256>;

/// To lane i of the mask, the index of its word among those of the mask.
constexpr Permutations spread_permutations() {
  Permutations all{};
  for (unsigned mask = 0; mask < 256; ++mask) {
    std::uint8_t next = 0;
    for (unsigned lane = 0; lane < kWidth; ++lane) {
      if (mask >> lane & 1) all[mask][lane] = next++;
    }
  }
  return all;
}

/// The lanes of the mask in order, as the last of a vector.
constexpr Permutations gather_permutations() {
  Permutations all{};
  for (unsigned mask = 0; mask < 256; ++mask) {
    unsigned next = kWidth - static_cast<unsigned>(std::popcount(mask));
    for (std::uint8_t lane = 0; lane < kWidth; ++lane) {
      if (mask >> lane & 1) all[mask][next++] = lane;
    }
  }
  return all;
}

alignas(64) constexpr Permutations kSpread = spread_permutations();
alignas(64) constexpr Permutations kGather = gather_permutations();

__m128i load_128(const void* at) { return _mm_loadu_si128(static_cast<const __m128i*>(at)); }

__m256i permutation(const Permutations& all, int mask) {
  const auto& bytes = all[static_cast<std::size_t>(mask)];
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes.data())));
}

int mask_of(__m256i lanes) { return _mm256_movemask_ps(_mm256_castsi256_ps(lanes)); }

__m256i widened(const std::uint16_t* numbers) { return _mm256_cvtepu16_epi32(load_128(numbers)); }

struct Decoded {
  __m256i state;
  __m256i symbol;
};

/// Low and high dwords of 8 qwords.
struct Pairs {
  __m256i low;
  __m256i high;
};

/// Lanes 0 1 4 5 and 2 3 6 7.
Pairs unzip(__m256d a, __m256d b) {
  const __m256 first = _mm256_castpd_ps(a);
  const __m256 second = _mm256_castpd_ps(b);
  return {_mm256_castps_si256(_mm256_shuffle_ps(first, second, 0x88)),
          _mm256_castps_si256(_mm256_shuffle_ps(first, second, 0xDD))};
}

__m256i frequency_less_1(__m256i entry) {
  return _mm256_and_si256(_mm256_srli_epi32(entry, kRansTotalBits),
                          _mm256_set1_epi32(kRansTotal - 1));
}

/// Slots counted from the entry's first.
__m256i slots_in(__m256i entry, __m256i slot) {
  return _mm256_sub_epi32(slot, _mm256_and_si256(entry, _mm256_set1_epi32(kRansTotal - 1)));
}

/// The entries of each lane's guess and those next to them. Plain loads: Zen's gathers are slower.
Pairs guessed_entries(const RansView& tables, __m256i rows, __m256i guesses) {
  alignas(32) std::uint32_t row[kWidth];
  alignas(32) std::uint32_t guess[kWidth];
  _mm256_store_si256(reinterpret_cast<__m256i*>(row), rows);
  _mm256_store_si256(reinterpret_cast<__m256i*>(guess), guesses);
  const auto pair = [&](std::size_t lane) {
    double bits;  // moved, never computed with; entries are aligned to 4 bytes only
    std::memcpy(&bits, tables.decoder + row[lane] + tables.guesses[guess[lane]], sizeof(bits));
    return bits;
  };
  const auto two = [&](std::size_t lane) { return _mm_set_pd(pair(lane + 1), pair(lane)); };
  return unzip(_mm256_set_m128d(two(4), two(0)), _mm256_set_m128d(two(6), two(2)));
}

/// Finds, one by one, entries that lie further from their guesses.
[[gnu::noinline]] __m256i searched_entries(const RansView& tables, __m256i rows, __m256i guesses,
                                           __m256i slots) {
  alignas(32) std::uint32_t row[kWidth];
  alignas(32) std::uint32_t guess[kWidth];
  alignas(32) std::uint32_t slot[kWidth];
  _mm256_store_si256(reinterpret_cast<__m256i*>(row), rows);
  _mm256_store_si256(reinterpret_cast<__m256i*>(guess), guesses);
  _mm256_store_si256(reinterpret_cast<__m256i*>(slot), slots);
  for (std::size_t lane = 0; lane < kWidth; ++lane) {
    row[lane] = *find_entry(tables.decoder + row[lane] + tables.guesses[guess[lane]], slot[lane]);
  }
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(row));
}

/// One symbol of each lane, before its state takes a word.
[[gnu::always_inline]] inline Decoded decode_lanes(const RansView& tables, __m256i stride,
                                                   __m256i state, __m256i context) {
  const __m256i slot = _mm256_and_si256(state, _mm256_set1_epi32(kRansTotal - 1));
  const __m256i guess =
      _mm256_add_epi32(_mm256_slli_epi32(context, kRansTotalBits - kRansGuessShift),
                       _mm256_srli_epi32(slot, kRansGuessShift));
  const __m256i row = _mm256_mullo_epi32(context, stride);
  const Pairs entries = guessed_entries(tables, row, guess);
  const __m256i next =
      _mm256_cmpgt_epi32(slots_in(entries.low, slot), frequency_less_1(entries.low));
  __m256i entry = _mm256_blendv_epi8(entries.low, entries.high, next);
  const __m256i beyond = _mm256_cmpgt_epi32(slots_in(entry, slot), frequency_less_1(entry));
  if (_mm256_testz_si256(beyond, beyond) == 0) [[unlikely]] {
    entry = searched_entries(tables, row, guess, slot);
  }
  const __m256i high = _mm256_srli_epi32(state, kRansTotalBits);
  const __m256i product = _mm256_add_epi32(_mm256_mullo_epi32(frequency_less_1(entry), high), high);
  return {_mm256_add_epi32(product, slots_in(entry, slot)),
          _mm256_srli_epi32(entry, 2 * kRansTotalBits)};
}

/// Gives a word to each lane whose state is too low.
[[gnu::always_inline]] inline __m256i refill(__m256i state, const std::byte*& at) {
  const __m256i needs = _mm256_cmpeq_epi32(_mm256_srli_epi32(state, 16), _mm256_setzero_si256());
  const int mask = mask_of(needs);
  const __m256i words =
      _mm256_permutevar8x32_epi32(_mm256_cvtepu16_epi32(load_128(at)), permutation(kSpread, mask));
  at += 2 * std::popcount(static_cast<unsigned>(mask));
  const __m256i filled = _mm256_or_si256(_mm256_slli_epi32(state, 16), words);
  return _mm256_blendv_epi8(state, filled, needs);
}

template <std::size_t kVectors>
const std::byte* decode_vectors(const RansView& tables, const std::uint16_t* contexts,
                                std::uint8_t* symbols, std::size_t count, std::uint32_t* states,
                                const std::byte* at, const std::byte* end) {
  constexpr std::size_t kLanes = kVectors * kWidth;
  constexpr std::ptrdiff_t kSafeBytes = 2 * kLanes;
  const __m256i stride = _mm256_set1_epi32(static_cast<int>(tables.stride));
  __m256i state[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    state[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(states + v * kWidth));
  }
  std::size_t i = 0;
  for (; i + kLanes <= count && end - at >= kSafeBytes; i += kLanes) {
    __m256i symbol[kVectors];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      const Decoded decoded =
          decode_lanes(tables, stride, state[v], widened(contexts + i + v * kWidth));
      symbol[v] = decoded.symbol;
      state[v] = refill(decoded.state, at);
    }
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kVectors; ++v) {
      const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(symbol[v]),
                                             _mm256_extracti128_si256(symbol[v], 1));
      _mm_storel_epi64(reinterpret_cast<__m128i*>(symbols + i + v * kWidth),
                       _mm_packus_epi16(words, words));
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(states + v * kWidth), state[v]);
  }
  return decode_steps(tables, contexts, symbols, i, count, states, kLanes, at, end);
}

/// Multipliers, and what else the entries hold.
Pairs encoder_entries(const RansView& tables, __m256i index) {
  const auto* base = reinterpret_cast<const long long*>(tables.encoder);
  const __m256i paired = _mm256_permute4x64_epi64(index, 0xD8);
  const __m256i a = _mm256_i32gather_epi64(base, _mm256_castsi256_si128(paired), 8);
  const __m256i b = _mm256_i32gather_epi64(base, _mm256_extracti128_si256(paired, 1), 8);
  return unzip(_mm256_castsi256_pd(a), _mm256_castsi256_pd(b));
}

/// (a * b) >> 32 of each lane.
__m256i multiply_high(__m256i a, __m256i b) {
  const __m256i even = _mm256_mul_epu32(a, b);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
  return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

/// One symbol of each lane, whose words go before `at`.
[[gnu::always_inline]] inline __m256i encode_lanes(const Pairs& entries, __m256i state,
                                                   std::byte*& at) {
  const __m256i low = _mm256_set1_epi32(kRansTotal - 1);
  const __m256i complement = _mm256_and_si256(_mm256_srli_epi32(entries.high, kRansTotalBits), low);
  const __m256i cumulative = _mm256_and_si256(entries.high, low);
  const __m256i full = _mm256_cmpgt_epi32(
      _mm256_add_epi32(_mm256_srli_epi32(state, kRansLimitShift), complement), low);
  const int mask = mask_of(full);
  const __m256i words = _mm256_permutevar8x32_epi32(
      _mm256_and_si256(state, _mm256_set1_epi32(0xFFFF)), permutation(kGather, mask));
  _mm_storeu_si128(
      reinterpret_cast<__m128i*>(at - kLoadBytes),
      _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
  at -= 2 * std::popcount(static_cast<unsigned>(mask));
  state = _mm256_blendv_epi8(state, _mm256_srli_epi32(state, 16), full);

  const __m256i addend = _mm256_srli_epi32(entries.high, 28);
  const __m256i shift =
      _mm256_and_si256(_mm256_srli_epi32(entries.high, 24), _mm256_set1_epi32(15));
  const __m256i quotient =
      _mm256_srlv_epi32(multiply_high(_mm256_add_epi32(state, addend), entries.low), shift);
  return _mm256_add_epi32(_mm256_add_epi32(state, cumulative),
                          _mm256_mullo_epi32(quotient, complement));
}

template <std::size_t kVectors>
std::byte* encode_vectors(const RansView& tables, const std::uint16_t* cells, std::size_t count,
                          std::uint32_t* states, std::byte* at) {
  constexpr std::size_t kLanes = kVectors * kWidth;
  const std::size_t whole = count - count % kLanes;
  at = encode_steps(tables, cells, whole, count, states, kLanes, at);
  if (at == nullptr) return nullptr;
  const __m256i stride = _mm256_set1_epi32(static_cast<int>(tables.stride));
  __m256i state[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) {
    state[v] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(states + v * kWidth));
  }
  __m256i all = _mm256_set1_epi32(-1);
  for (std::size_t i = whole; i > 0; i -= kLanes) {
#pragma GCC unroll 4
    for (std::size_t back = 0; back < kVectors; ++back) {
      const std::size_t v = kVectors - 1 - back;
      const std::size_t first = i - kLanes + v * kWidth;
      const __m256i cell = widened(cells + first);
      const __m256i row = _mm256_mullo_epi32(_mm256_srli_epi32(cell, 8), stride);
      const __m256i index = _mm256_add_epi32(row, _mm256_and_si256(cell, _mm256_set1_epi32(255)));
      const Pairs entries = encoder_entries(tables, index);
      all = _mm256_and_si256(all, entries.low);
      state[v] = encode_lanes(entries, state[v], at);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(states + v * kWidth), state[v]);
  }
  return mask_of(all) == 255 ? at : nullptr;
}

std::byte* encode(const RansView& tables, const std::uint16_t* cells, std::size_t count,
                  std::uint32_t* states, std::size_t lanes, std::byte* end) {
  switch (lanes) {
    case 8:
      return encode_vectors<1>(tables, cells, count, states, end);
    case 16:
      return encode_vectors<2>(tables, cells, count, states, end);
    case 32:
      return encode_vectors<4>(tables, cells, count, states, end);
    default:
      return encode_steps(tables, cells, 0, count, states, lanes, end);
  }
}

const std::byte* decode(const RansView& tables, const std::uint16_t* contexts,
                        std::uint8_t* symbols, std::size_t count, std::uint32_t* states,
                        std::size_t lanes, const std::byte* at, const std::byte* end) {
  switch (lanes) {
    case 8:
      return decode_vectors<1>(tables, contexts, symbols, count, states, at, end);
    case 16:
      return decode_vectors<2>(tables, contexts, symbols, count, states, at, end);
    case 32:
      return decode_vectors<4>(tables, contexts, symbols, count, states, at, end);
    default:
      return decode_steps(tables, contexts, symbols, 0, count, states, lanes, at, end);
  }
}

}  // namespace

const RansKernels kAvx2Rans = {
    .name = "avx2", .supported = supported, .encode = encode, .decode = decode};

}  // namespace lmgc::coder
