#include "predict/row_kernels.h"

#include <bit>
#include <string>
#include <vector>

#include "implementations.h"

namespace lmgc::predict {
namespace {

struct Noise {
  std::uint32_t state = 12345;

  std::uint32_t word() {
    state = state * 1664525 + 1013904223;
    return state ^ state >> 15;
  }
};

/// All that the loops of one implementation say about the same noise.
struct Results {
  std::vector<std::int16_t> codes, pairs;
  std::vector<float> predictions, sums;
  std::vector<std::uint32_t> weighted;
  std::vector<std::uint8_t> counts, word_counts;
  std::vector<std::uint16_t> cells, place_contexts;
  std::vector<std::int32_t> dots, centers, steps, excess;
  std::vector<std::uint32_t> bits, words, sizes, column_bits, size_counts, totals;

  [[nodiscard]] bool operator==(const Results&) const = default;
};

/// Values near their predictions, values far away, zeros, denormals, infinities.
Results results_of(const RowKernels& rows, std::size_t count, const FloatGrid& grid) {
  Noise noise;
  const std::uint32_t kept = ~((std::uint32_t{1} << (23 - grid.mantissa_bits)) - 1);
  std::vector<float> values(count), predictions(count), units(count);
  std::vector<std::int32_t> products(count);
  std::vector<std::int32_t> scales(count);
  std::vector<std::uint8_t> symbols(count);
  for (std::size_t j = 0; j < count; ++j) {
    const std::uint32_t kind = noise.word() >> 28;
    const std::uint32_t near = (120 << 23) + (noise.word() & 0x83ffffff);
    const std::uint32_t word = kind == 0 ? 0 : kind == 1 ? noise.word() : near;
    values[j] = std::bit_cast<float>(word & kept);
    predictions[j] = kind == 2 ? 0 : std::bit_cast<float>(near ^ (noise.word() & 0x1ffffff));
    units[j] = power_of_two(static_cast<int>(noise.word() >> 30));
    products[j] = static_cast<std::int32_t>(noise.word()) >> 2;
    scales[j] = static_cast<std::int32_t>(noise.word() >> 28);
    symbols[j] = static_cast<std::uint8_t>(noise.word() % kAlphabet);
    if (kind > 3) symbols[j] = static_cast<std::uint8_t>(kLinear + noise.word() % 5 - 2);
  }
  Results r;
  r.codes.resize(count);
  r.pairs.resize(2 * count);
  r.predictions.resize(count);
  rows.codes(values.data(), units.data(), 32, count, r.codes.data());
  rows.remainder_codes(values.data(), predictions.data(), units.data(), 32, false, count,
                       r.pairs.data());
  rows.remainder_codes(values.data(), predictions.data(), units.data(), 64, true, count,
                       r.pairs.data());
  rows.predictions(products.data(), units.data(), 0.125F, count, r.predictions.data());
  rows.add_predictions(products.data(), units.data(), 0.25F, r.predictions.data(), count,
                       r.predictions.data());
  std::vector<std::int8_t> weights(count);
  for (std::int8_t& weight : weights) weight = static_cast<std::int8_t>(noise.word() >> 24);
  r.dots = {rows.dot(r.codes.data(), weights.data(), count)};

  std::vector<float> small(count), weighted(count);
  rows.keep_small(values.data(), count, small.data());
  constexpr std::size_t kTerms = 6;
  const float* const terms[kTerms]{small.data(), units.data(), r.predictions.data(),
                                   small.data(), units.data(), small.data()};
  const float factors[kTerms]{0.75F, -3, 0.1F, 1.5F, 0.3F, -0.7F};
  rows.weighted_sum(terms, factors, kTerms, count, weighted.data());
  for (const float sum : weighted) r.weighted.push_back(std::bit_cast<std::uint32_t>(sum));

  const RowGrid row{grid, -16, scales.data()};
  r.cells.resize(count);
  r.bits.resize(count);
  r.counts.resize(count);
  rows.code_values(values.data(), predictions.data(), row, count,
                   {r.cells.data(), r.bits.data(), r.counts.data()});
  r.place_contexts.resize(count);
  r.centers.resize(count);
  r.steps.resize(count);
  const RowPlaces places{r.place_contexts.data(), r.centers.data(), r.steps.data()};
  rows.places(predictions.data(), row, count, places);
  std::vector<float> decoded(count);
  r.word_counts.resize(count);
  const RowValues decoded_row{decoded.data(), r.word_counts.data()};
  rows.without_raw_bits(symbols.data(), places, grid, count, decoded_row);
  std::vector<std::uint32_t> raw(count);
  for (std::uint32_t& bits : raw) bits = noise.word();
  rows.add_raw_bits(raw.data(), 23 - grid.mantissa_bits, count, decoded_row);
  for (const float value : decoded) r.words.push_back(std::bit_cast<std::uint32_t>(value));

  r.sizes.resize(count);
  r.column_bits.resize(count);
  r.excess.resize(count);
  r.size_counts.resize(count);
  const RowSizes sizes =
      rows.sizes(values.data(), predictions.data(), count, r.sizes.data(), r.column_bits.data());
  rows.add_excess(r.sizes.data(), 1000, count, r.excess.data(), r.size_counts.data());
  r.totals = {sizes.sum, sizes.count, sizes.bits};
  r.sums = {rows.sum_of_squares(values.data(), predictions.data(), units.data(), 0.5F, count)};
  return r;
}

bool agrees_with_reference(const RowKernels& candidate) {
  for (std::size_t count = 0; count < 70; ++count) {
    for (const FloatGrid grid : {FloatGrid{23, -149}, FloatGrid{7, -133}, FloatGrid{10, -24}}) {
      if (!(results_of(candidate, count, grid) == results_of(kScalarRows, count, grid))) {
        return false;
      }
    }
  }
  const FloatGrid grid{23, -149};
  return results_of(candidate, 1500, grid) == results_of(kScalarRows, 1500, grid);
}

Implementations<RowKernels>& implementations() {
  static Implementations<RowKernels> all(
      {
#ifdef LMGC_X86_64
          &kAvx512Rows,
          &kAvx2Rows,
#endif
      },
      kScalarRows, agrees_with_reference);
  return all;
}

}  // namespace

std::span<const RowKernels* const> usable_row_kernels() { return implementations().usable(); }

const RowKernels& row_kernels() { return implementations().current(); }

const RowKernels& row_kernels(std::string_view name) { return implementations().named(name); }

void use_row_kernels(std::string_view name) { implementations().use(row_kernels(name)); }

}  // namespace lmgc::predict
