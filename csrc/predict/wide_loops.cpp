#include "predict/wide_loops.h"

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
  std::vector<double> scales(count), rows(count * kStrip);
  std::vector<std::int32_t> sums(count);
  for (std::size_t j = 0; j < count; ++j) {
    x[j] = static_cast<float>(number()) * 0x1p-40F;
    scales[j] = number() * 0x1p-31;
    sums[j] = number();
  }
  for (double& value : rows) value = number() * 0x1p-33;
  Results r{std::vector<double>(kStrip + count), std::vector<float>(count),
            std::vector<std::int16_t>(count)};
  double* row = r.doubles.data() + kStrip;
  loops.subtract_rows(scales.data(), rows.data(), count, r.doubles.data());
  loops.subtract(0.7, rows.data(), count, row);
  loops.add_squares(x.data(), 0.3, count, row);
  r.doubles.push_back(loops.sum_of_squares(x.data(), scales.data(), count));
  loops.codes(x.data(), scales.data(), 1e6, 511, count, r.codes.data());
  loops.remainder(x.data(), sums.data(), scales.data(), 1e-12, count, r.floats.data());
  return r;
}

bool agrees_with_reference(const WideLoops& candidate) {
  for (std::size_t count = 0; count < 40; ++count) {
    if (!(results_of(candidate, count) == results_of(kScalarWideLoops, count))) return false;
  }
  return true;
}

Implementations<WideLoops>& implementations() {
  static const std::vector<const WideLoops*> candidates = {
#ifdef LMGC_X86_64
      &kAvx2WideLoops,
#endif
  };
  static Implementations<WideLoops> all(
      usable_implementations<WideLoops>(candidates, kScalarWideLoops, agrees_with_reference));
  return all;
}

}  // namespace

std::span<const WideLoops* const> usable_wide_loops() { return implementations().usable(); }

const WideLoops& wide_loops() { return implementations().current(); }

void use_wide_loops(std::string_view name) { implementations().use(implementations().named(name)); }

}  // namespace lmgc::predict
