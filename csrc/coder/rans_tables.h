#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace lmgc::coder {

/// 13 would save 0.005 % of bits where symbols rarer than 2^-13 share an escape, as they should: a
/// frequency of 1 for each symbol that never occurs costs far more (0.6 % for 64 symbols).
inline constexpr int kRansTotalBits = 12;
/// Sum of the frequencies of every table.
inline constexpr std::uint32_t kRansTotal = std::uint32_t{1} << kRansTotalBits;
inline constexpr std::size_t kRansMaxAlphabet = 256;
inline constexpr std::size_t kRansMaxContexts = 256;

/// A context and a symbol in one number.
[[nodiscard]] constexpr std::uint16_t cell_of(std::size_t context, std::size_t symbol) {
  return static_cast<std::uint16_t>(context << 8 | symbol);
}
[[nodiscard]] constexpr std::uint16_t context_of(std::uint16_t cell) {
  return static_cast<std::uint16_t>(cell >> 8);
}
[[nodiscard]] constexpr std::uint8_t symbol_of(std::uint16_t cell) {
  return static_cast<std::uint8_t>(cell & 255);
}

/// Frequencies [alphabet] with sum kRansTotal in proportion to `counts`, at least 1 where a count
/// is not 0 (Webster's apportionment: each unit goes to the largest count / (2 * frequency + 1),
/// the first of equals). Without any count, all symbols count alike. Requires 1 to kRansMaxAlphabet
/// counts below 2^32, or throws std::invalid_argument.
[[nodiscard]] std::vector<std::uint16_t> rans_frequencies(std::span<const std::uint32_t> counts);

/// Slots (states modulo kRansTotal) that share a guess.
inline constexpr int kRansGuessShift = 4;
inline constexpr std::size_t kRansGuesses = kRansTotal >> kRansGuessShift;

/// What coding reads. Symbols that occur have places, the most frequent first and equals in order;
/// cumulative frequencies count in that order.
struct RansView {
  const std::uint64_t* encoder;  ///< [context * stride + symbol]: rans_encoder_entry
  const std::uint32_t* decoder;  ///< [context * stride + place]: rans_decoder_entry
  const std::uint8_t* guesses;   ///< [context * kRansGuesses + guess]: its first slot's place
  std::uint32_t stride;
};

/// Static frequency tables over one alphabet, one for each context, ready to code with. Immutable.
class RansTables {
 public:
  /// `frequencies` [contexts][alphabet], each row with sum kRansTotal; symbols of frequency 0
  /// cannot be encoded. Throws std::invalid_argument for other rows or sizes.
  RansTables(std::span<const std::uint16_t> frequencies, std::size_t alphabet);

  [[nodiscard]] std::size_t contexts() const { return contexts_; }
  [[nodiscard]] std::size_t alphabet() const { return alphabet_; }
  [[nodiscard]] RansView view() const {
    return {encoder_.data(), decoder_.data(), guesses_.data(), stride_};
  }

 private:
  void add(std::size_t context, std::span<const std::uint16_t> frequencies);

  std::size_t alphabet_;
  std::size_t contexts_;
  std::uint32_t stride_;
  std::vector<std::uint64_t> encoder_;
  std::vector<std::uint32_t> decoder_;  // and one more, since neighbours are read in pairs
  std::vector<std::uint8_t> guesses_;   // and 3 bytes, since they are gathered by fours
};

}  // namespace lmgc::coder
