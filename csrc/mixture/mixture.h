#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mixture/counter.h"
#include "mixture/mixer.h"
#include "mixture/neighbours.h"
#include "mixture/repeats.h"
#include "serialize/text_format.h"

namespace lmgc::mixture {

/// Logistic mixture of experts on a tensor's values, hex digit by hex digit, bit by bit: orders 0
/// to 2, values nearby, in the row and in the column, signs, repeats, and a language model if there
/// is one, whose overconfidence is learned (SSE: what came true when it said so). Values are in
/// lanes, each of which goes on at places of its own; everything learned is shared. Integer-only;
/// who codes and who decodes do the same.
class Mixture {
 public:
  /// `grids` of all values of the tensor.
  Mixture(serialize::DType dtype, serialize::ByteOrder order, std::span<const Grid> grids,
          std::size_t lanes, bool with_model);

  /// A lane goes on at value `place`, away from what it had.
  void restart(std::size_t lane, std::size_t place);

  /// A lane's next digit, high bit first. `model(bit, node)` is the language model's probability
  /// that bit 0 to 3 is a one, `node` 1 and the bits before it; not called without a model.
  /// `code(probability)` returns the bit.
  template <typename Model, typename Code>
  unsigned code_digit(std::size_t lane, const Model& model, const Code& code) {
    open_digit(lane);
    unsigned node = 1;
    for (unsigned bit = 0; bit < 4; ++bit) {
      const bool one = code(probability(node, with_model_ ? model(bit, node) : Probability{0}));
      learn(one);
      node = 2 * node + (one ? 1 : 0);
    }
    close_digit(lane, node & 15);
    return node & 15;
  }

 private:
  static constexpr std::size_t kContexts = 7, kMostInputs = kContexts + 3;
  struct Lane {
    std::size_t place = 0, digit = 0;  // of the value at `place`
    std::uint64_t digits = 0;          // those before it, the last is the lowest
    Neighbours::View view;
    std::optional<Repeats::Expected> repeat;  // its word as text
  };
  using Nodes = std::array<Counter, 16>;  // of a digit's bits, by the bits before them

  void open_digit(std::size_t lane);
  [[nodiscard]] Probability probability(unsigned node, Probability model);
  void learn(bool one);
  void close_digit(std::size_t lane, unsigned digit);
  void open_value(Lane& lane, std::size_t index);
  /// A value's digits as its bits, or the other way round.
  [[nodiscard]] std::uint64_t turned(std::uint64_t word) const;

  serialize::DType dtype_;
  serialize::ByteOrder order_;
  std::size_t digits_;
  bool with_model_;
  std::size_t inputs_count_;

  Neighbours neighbours_;
  Repeats repeats_;
  std::vector<Lane> lanes_;
  std::vector<Nodes> table_;           // of all contexts, hashed
  std::vector<Counter> repeat_right_;  // [digits, lengths]
  std::vector<Counter> model_right_;   // [digits, nodes, what it says]: of ones
  Mixer by_digit_, by_size_;

  // The digit and the bit that are being coded.
  std::size_t digit_ = 0;
  std::uint32_t size_ = 0;
  std::array<Nodes*, kContexts> nodes_{};
  std::array<Stretch, kMostInputs> inputs_{};
  std::array<Counter*, kMostInputs> told_{};  // learn the bit; null: none
  Counter* repeat_counter_ = nullptr;
  unsigned repeat_digit_ = 0;
  bool repeat_bit_ = false;
  bool repeat_holds_ = false;
};

}  // namespace lmgc::mixture
