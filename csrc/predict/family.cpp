#include "predict/family.h"

#include <algorithm>
#include <array>
#include <bit>
#include <mutex>
#include <numeric>
#include <utility>

#include "predict/numbers.h"

namespace lmgc::predict {
namespace {

// Everything here is IEEE double +, -, x and / in a fixed order: the same bits everywhere.

/// Powers in Student's density (1 + z^2 / n)^-power, n = 2 power - 1 degrees of freedom.
constexpr std::array<int, kShapes> kPowers{1, 2, 3, 4, 6, 8, 16, 64};
constexpr std::array<std::uint16_t, kZeroShares> kZeroFrequencies{
    0, 1, 3, 10, 30, 100, 300, 700, 1200, 1800, 2400, 3000, 3400, 3700, 3900, 4000};

/// 2^(k / 8), correctly rounded.
constexpr std::array<double, 8> kEighths{
    0x1.0000000000000p+0, 0x1.172b83c7d517bp+0, 0x1.306fe0a31b715p+0, 0x1.4bfdad5362a27p+0,
    0x1.6a09e667f3bcdp+0, 0x1.8ace5422aa0dbp+0, 0x1.ae89f995ad3adp+0, 0x1.d5818dcfba487p+0};

/// 2^(eighths / 8).
double eighths(int count) {
  const int octaves = count >> 3;
  return kEighths[static_cast<std::size_t>(count & 7)] * wide::power_of_two(octaves);
}

/// Student's cumulative distribution at knots: z in steps of 1/64 up to 16, then 64 knots an octave
/// up to 2^30.
class Distribution {
 public:
  explicit Distribution(int power) {
    const double degrees = 2 * power - 1;
    const auto density = [&](double z) {
      const double base = 1 / (1 + z * z / degrees);
      double product = base;
      for (int i = 1; i < power; ++i) product *= base;
      return product;
    };
    double sum = 0;
    for (std::size_t k = 0; k < mass_.size(); ++k) {
      mass_[k] = sum;
      const double z = knot(k);
      const double width = knot(k + 1) - z;
      sum += density(z + width / 2) * width;
    }
    for (double& mass : mass_) mass /= 2 * sum;
  }

  /// Probability below z.
  [[nodiscard]] double below(double z) const {
    const double half = mass(z < 0 ? -z : z);
    return z < 0 ? 0.5 - half : 0.5 + half;
  }

 private:
  static constexpr std::size_t kLinearKnots = 1024;
  static constexpr std::size_t kOctaves = 26;
  static constexpr std::size_t kKnots = kLinearKnots + 64 * kOctaves;

  static double knot(std::size_t k) {
    if (k <= kLinearKnots) return static_cast<double>(k) / 64;
    const std::size_t above = k - kLinearKnots;
    return static_cast<double>(64 + above % 64) / 64 *
           wide::power_of_two(4 + static_cast<int>(above / 64));
  }

  /// Probability between 0 and z >= 0.
  [[nodiscard]] double mass(double z) const {
    std::size_t k = 0;
    if (z < 16) {
      k = static_cast<std::size_t>(z * 64);
    } else {
      const auto bits = std::bit_cast<std::uint64_t>(z);  // 64 knots an octave: 6 mantissa bits
      k = kLinearKnots + static_cast<std::size_t>((bits >> 46) - (std::uint64_t{1023 + 4} << 6));
    }
    if (k + 1 >= kKnots) return 0.5;
    const double part = (z - knot(k)) / (knot(k + 1) - knot(k));
    return mass_[k] + (mass_[k + 1] - mass_[k]) * part;
  }

  std::array<double, kKnots> mass_;
};

const Distribution& distribution(std::size_t shape) {
  static const std::array<Distribution, kShapes> all = [] {
    return [&]<std::size_t... i>(std::index_sequence<i...>) {
      return std::array<Distribution, kShapes>{Distribution(kPowers[i])...};
    }(std::make_index_sequence<kShapes>());
  }();
  return all[shape];
}

/// Symbols below kZeroSymbol by the distances they stand for, from the lowest up, and the first
/// distance of each.
struct SymbolOrder {
  std::array<std::uint8_t, kZeroSymbol> symbols;
  std::array<std::int32_t, kZeroSymbol> first;
  std::int32_t end;  ///< after the last distance
};

const SymbolOrder& symbol_order() {
  static const SymbolOrder order = [] {
    SymbolOrder all{};
    std::iota(all.symbols.begin(), all.symbols.end(), std::uint8_t{0});
    const auto most = [](int symbol) { return (std::uint32_t{1} << distance_bits(symbol)) - 1; };
    const auto least_distance = [&](int symbol) {
      return std::min(distance_of(symbol, 0), distance_of(symbol, most(symbol)));
    };
    std::ranges::sort(all.symbols, {}, least_distance);
    std::ranges::transform(all.symbols, all.first.begin(), least_distance);
    all.end = distance_of(all.symbols.back(), most(all.symbols.back())) + 1;
    return all;
  }();
  return order;
}

/// Rounds to kRansTotal; what rounding leaves over goes to the likeliest symbol.
void apportion(std::span<const double> shares, std::span<std::uint16_t> row) {
  constexpr double kRarest = 1.0 / 8192;
  std::fill(row.begin(), row.end(), std::uint16_t{0});
  int left = static_cast<int>(coder::kRansTotal);
  std::size_t likeliest = 0;
  for (std::size_t symbol = 0; symbol < shares.size(); ++symbol) {
    if (shares[symbol] < kRarest) continue;
    const int frequency = std::max(static_cast<int>(shares[symbol] * coder::kRansTotal + 0.5), 1);
    row[symbol] = static_cast<std::uint16_t>(frequency);
    left -= frequency;
    if (shares[symbol] > shares[likeliest]) likeliest = symbol;
  }
  row[kEscape] = 1;
  row[likeliest] = static_cast<std::uint16_t>(row[likeliest] + left - 1);
}

std::vector<std::uint16_t> make_frequencies(std::size_t shape, int width) {
  const Distribution& student = distribution(shape);
  std::vector<std::uint16_t> table(std::size_t{kContexts} * kAlphabet);
  for (int context = 0; context < kContexts; ++context) {
    const int excess = context / (kPlaces * kScaleSteps);
    const int phase = context / kPlaces % kScaleSteps;
    const double place = (context % kPlaces + 0.5) / kPlaces;
    const double cell = eighths(8 * (excess - kGridBits) - 2 * phase - width + 2);  // its width
    const SymbolOrder& order = symbol_order();
    std::array<double, kZeroSymbol> shares;
    double below = student.below((order.first.front() - place) * cell);
    for (std::size_t i = 0; i < order.symbols.size(); ++i) {
      const std::int32_t end = i + 1 < order.first.size() ? order.first[i + 1] : order.end;
      const double next = student.below((end - place) * cell);
      shares[order.symbols[i]] = next - below;
      below = next;
    }
    apportion(shares,
              std::span(table).subspan(static_cast<std::size_t>(context) * kAlphabet, kAlphabet));
  }
  return table;
}

/// A member's [kContexts + 1][kAlphabet].
std::vector<std::uint16_t> with_zeros(Member member) {
  std::vector<std::uint16_t> table = frequencies(member.shape, member.width);
  table.resize(table.size() + kAlphabet);
  const std::uint32_t zeros = kZeroFrequencies[member.zeros];
  for (std::size_t context = 0; zeros != 0 && context < kContexts; ++context) {
    const auto row = std::span(table).subspan(context * kAlphabet, kAlphabet);
    std::uint32_t sum = 0;
    for (std::uint16_t& frequency : row) {
      if (frequency == 0) continue;
      const std::uint32_t rest = coder::kRansTotal - zeros;
      frequency = static_cast<std::uint16_t>(std::max(frequency * rest / coder::kRansTotal, 1U));
      sum += frequency;
    }
    // Frequencies of at least 1 may exceed what zeros leave: the largest pays.
    row[kZeroSymbol] = static_cast<std::uint16_t>(zeros);
    const auto largest = std::max_element(row.begin(), row.end());
    *largest = static_cast<std::uint16_t>(*largest + coder::kRansTotal - zeros - sum);
  }
  table[std::size_t{kZeroContext} * kAlphabet + kZeroSymbol] = coder::kRansTotal;
  return table;
}

}  // namespace

std::uint32_t zero_frequency(std::uint8_t zeros) { return kZeroFrequencies[zeros]; }

const std::vector<std::uint16_t>& frequencies(std::uint8_t shape, std::uint8_t width) {
  static std::array<std::once_flag, kShapes * kWidths> flags;
  static std::array<std::vector<std::uint16_t>, kShapes * kWidths> tables;
  const std::size_t at = std::size_t{shape} * kWidths + width;
  std::call_once(flags[at], [&] { tables[at] = make_frequencies(shape, width); });
  return tables[at];
}

MemberTables::MemberTables(Member member) : MemberTables(with_zeros(member)) {}

MemberTables::MemberTables(const std::vector<std::uint16_t>& frequencies)
    : rans_(frequencies, kAlphabet) {
  for (std::size_t context = 0; context <= kContexts; ++context) {
    for (std::size_t symbol = 0; symbol < kAlphabet; ++symbol) {
      has_[coder::cell_of(context, symbol)] = frequencies[context * kAlphabet + symbol] != 0;
    }
  }
}

std::shared_ptr<const MemberTables> tables_of(Member member) {
  constexpr std::size_t kMaxKept = 64;  // about 250 kB each
  static std::mutex mutex;
  static std::vector<std::pair<Member, std::shared_ptr<const MemberTables>>> kept;
  const auto same = [&](const auto& pair) { return pair.first == member; };
  {
    const std::lock_guard lock(mutex);
    const auto found = std::find_if(kept.begin(), kept.end(), same);
    if (found != kept.end()) {
      std::rotate(kept.begin(), found, found + 1);  // the last used comes first
      return kept.front().second;
    }
  }
  auto made = std::make_shared<const MemberTables>(member);
  const std::lock_guard lock(mutex);
  kept.emplace(kept.begin(), member, made);
  if (kept.size() > kMaxKept) kept.pop_back();
  return made;
}

}  // namespace lmgc::predict
