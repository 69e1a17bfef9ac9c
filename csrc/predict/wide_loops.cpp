#include "predict/wide_loops.h"

#include <algorithm>
#include <vector>

#include "implementations.h"

namespace lmgc::predict {
namespace {

/// All that the loops of one implementation say about the same numbers.
struct Results {
  std::vector<double> doubles;
  std::vector<float> floats;
  std::vector<std::int16_t> codes;

  [[nodiscard]] bool operator==(const Results&) const = default;
};

Results results_of(const WideLoops& loops, std::size_t count) {
  std::uint32_t state = 12345;
  const auto number = [&] {
    state = state * 1664525 + 1013904223;
    return static_cast<std::int32_t>(state);
  };
  std::vector<float> x(count);
  std::vector<double> scales(count);
  std::vector<float> rows(count * kStrip), factors(kRowGroup * count);
  std::vector<std::int32_t> sums(count);
  for (std::size_t j = 0; j < count; ++j) {
    x[j] = static_cast<float>(number()) * 0x1p-40F;
    scales[j] = number() * 0x1p-31;
    sums[j] = number();
  }
  for (float& value : rows) value = static_cast<float>(number()) * 0x1p-33F;
  for (float& value : factors) value = static_cast<float>(number()) * 0x1p-31F;
  constexpr std::size_t kGroup = kRowGroup * kStrip;
  Results r{std::vector<double>(count), std::vector<float>(kGroup + 2 * count),
            std::vector<std::int16_t>(count)};
  loops.subtract_rows(factors.data(), count, rows.data(), count, r.floats.data());
  loops.subtract(0.7F, rows.data(), count, r.floats.data() + kGroup);
  loops.add_squares(x.data(), 0.3, count, r.doubles.data());
  r.doubles.push_back(loops.sum_of_squares(x.data(), scales.data(), count));
  loops.codes(x.data(), scales.data(), 1e6, 511, count, r.codes.data());
  loops.remainder(x.data(), sums.data(), scales.data(), 1e-12, count,
                  r.floats.data() + kGroup + count);
  return r;
}

bool agrees_with_reference(const WideLoops& candidate) {
  for (std::size_t count = 0; count < 40; ++count) {
    if (!(results_of(candidate, count) == results_of(kScalarWideLoops, count))) return false;
  }
  return true;
}

Implementations<WideLoops>& implementations() {
  static Implementations<WideLoops> all(
      {
#ifdef LMGC_X86_64
          &kAvx2WideLoops,
#endif
      },
      kScalarWideLoops, agrees_with_reference);
  return all;
}

}  // namespace

std::span<const WideLoops* const> usable_wide_loops() { return implementations().usable(); }

const WideLoops& wide_loops() { return implementations().current(); }

void use_wide_loops(std::string_view name) { implementations().use(implementations().named(name)); }

void subtract_rows(const float* scales, std::size_t stride, std::size_t rows_here,
                   const float* rows, std::size_t count, float* group) {
  if (rows_here == kRowGroup) {
    wide_loops().subtract_rows(scales, stride, rows, count, group);
    return;
  }
  // Each row as a group, which has room for what the others would be.
  for (std::size_t i = 0; i < rows_here; ++i) {
    float row[kRowGroup * kStrip] = {};
    std::copy_n(group + i * kStrip, kStrip, row);
    wide_loops().subtract_rows(scales + i * stride, 0, rows, count, row);
    std::copy_n(row, kStrip, group + i * kStrip);
  }
}

}  // namespace lmgc::predict
