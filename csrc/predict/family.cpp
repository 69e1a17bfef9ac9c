#include "predict/family.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <numeric>
#include <utility>

#include "fork.h"

namespace lmgc::predict {
namespace {

// Everything here is IEEE double +, -, x and / in a fixed order: the same bits everywhere.

constexpr std::array<std::uint16_t, kZeroShares> kZeroFrequencies{
    0, 1, 3, 10, 30, 100, 300, 700, 1200, 1800, 2400, 3000, 3400, 3700, 3900, 4000};

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
  const Student& student = student_of(shape);
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
  std::call_once(flags[at], [&] {
    const NoFork no_fork;
    tables[at] = make_frequencies(shape, width);
  });
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
  const NoFork no_fork;
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
