#include "mixture/mixture.h"

#include <algorithm>
#include <bit>

namespace lmgc::mixture {

using logistic::kMostStretch;
using logistic::squash;
using logistic::stretch;
namespace {

constexpr std::size_t kNodes = 16;
constexpr std::size_t kSizes = 64;    // that weights are kept for
constexpr std::size_t kSayings = 32;  // of a model that counters are kept for
constexpr Stretch kSayingStep = 2 * (kMostStretch + 1) / Stretch{kSayings};
constexpr std::size_t kMostDigits = 16;  // of a value
constexpr std::size_t kMostTableBits = 18;
constexpr Stretch kBias = 256;
constexpr std::int32_t kPaceByDigit = 32, kPaceBySize = 64;
/// Digits that a context tells apart; of later ones only whether all so far are zeros.
constexpr std::size_t kContextDigits = 4;
/// No certainty: it bounds what a byte of code can hold.
constexpr Probability kLeast = 4;

/// Keeps the table of a small tensor small.
std::size_t table_bits(std::span<const Grid> grids, std::size_t digits) {
  std::uint64_t values = 0;
  for (const Grid& grid : grids) values += grid.values;
  const auto width = static_cast<std::size_t>(std::bit_width(values)) +
                     static_cast<std::size_t>(std::bit_width(digits));
  return std::min(width, kMostTableBits);
}

/// At first a model is right.
std::vector<Counter> trusting() {
  std::vector<Counter> counters;
  for (std::size_t i = 0; i < kMostDigits * kNodes * kSayings; ++i) {
    const auto saying = static_cast<Stretch>(i % kSayings);
    counters.emplace_back(squash((2 * saying + 1) * kSayingStep / 2 - kMostStretch - 1));
  }
  return counters;
}

}  // namespace

Mixture::Mixture(serialize::DType dtype, serialize::ByteOrder order, std::span<const Grid> grids,
                 std::size_t lanes, bool with_model)
    : dtype_(dtype),
      order_(order),
      digits_(2 * serialize::traits(dtype).bytes),
      with_model_(with_model),
      inputs_count_(with_model ? kMostInputs : kMostInputs - 1),
      neighbours_(grids, lanes),
      repeats_(lanes),
      lanes_(lanes),
      table_(std::size_t{1} << table_bits(grids, digits_)),
      repeat_right_(kMostDigits * (Repeats::kMostLength + 1)),
      model_right_(with_model ? trusting() : std::vector<Counter>{}),
      by_digit_(inputs_count_, kMostDigits * kNodes, kPaceByDigit),
      by_size_(inputs_count_, kMostDigits * kNodes * kSizes, kPaceBySize) {}

void Mixture::restart(std::size_t lane, std::size_t place) {
  neighbours_.restart(lane);
  repeats_.restart(lane);
  lanes_[lane] = {};
  lanes_[lane].place = place;
}

std::uint64_t Mixture::turned(std::uint64_t word) const {
  if (order_ == serialize::ByteOrder::kBig) return word;
  std::uint64_t result = 0;
  for (std::size_t byte = 0; byte < digits_ / 2; ++byte, word >>= 8) {
    result = result << 8 | (word & 255);
  }
  return result;
}

void Mixture::open_value(Lane& lane, std::size_t index) {
  lane.view = neighbours_.view(index, lane.place);
  lane.repeat = repeats_.expected(index);
  if (lane.repeat) lane.repeat->word = turned(lane.repeat->word);
}

void Mixture::open_digit(std::size_t index) {
  Lane& lane = lanes_[index];
  if (lane.digit == 0) open_value(lane, index);
  digit_ = lane.digit;
  size_ = lane.view.size;
  const std::uint64_t known =
      digit_ <= kContextDigits ? lane.digits : (lane.digits == 0 ? 0 : ~std::uint64_t{0});
  const auto near_digits = known & 0xffff;
  const std::array<std::uint64_t, kContexts> contexts{
      0,
      lane.digits & 15,
      lane.digits & 255,
      near_digits << 32 | lane.view.near,
      near_digits << 32 | lane.view.row,
      near_digits << 32 | lane.view.column,
      near_digits << 32 | lane.view.signs,
  };
  const int shift = 64 - std::countr_zero(table_.size());
  for (std::size_t i = 0; i < kContexts; ++i) {
    std::uint64_t mixed = (contexts[i] * kContexts + i) * kMostDigits + digit_;
    mixed = (mixed ^ mixed >> 29) * 0x9e3779b97f4a7c15;
    mixed = (mixed ^ mixed >> 32) * 0xbf58476d1ce4e5b9;
    nodes_[i] = &table_[mixed >> shift];
  }
  repeat_holds_ = lane.repeat.has_value();
  if (repeat_holds_) {
    const std::uint64_t expected = lane.repeat->word >> 4 * (digits_ - 1 - digit_);
    repeat_holds_ = expected >> 4 == lane.digits;
    repeat_digit_ = static_cast<unsigned>(expected & 15);
    repeat_counter_ = &repeat_right_[digit_ * (Repeats::kMostLength + 1) + lane.repeat->length];
  }
}

Probability Mixture::probability(unsigned node, Probability model) {
  std::size_t count = 0;
  const auto add = [&](Stretch said, Counter* counter) {
    inputs_[count] = said;
    told_[count++] = counter;
  };
  for (Nodes* nodes : nodes_) {
    Counter& counter = (*nodes)[node];
    add(stretch(counter.probability()), &counter);
  }
  add(kBias, nullptr);
  const int bits_left = 5 - static_cast<int>(std::bit_width(node));
  if (repeat_holds_ && (repeat_digit_ | 16U) >> bits_left == node) {
    repeat_bit_ = (repeat_digit_ >> (bits_left - 1) & 1) != 0;
    const Stretch sure = stretch(repeat_counter_->probability());
    add(repeat_bit_ ? sure : -sure, nullptr);
  } else {
    repeat_holds_ = false;
    add(0, nullptr);
  }
  if (with_model_) {
    const Stretch said = stretch(model);
    const auto saying = static_cast<std::size_t>((said + kMostStretch + 1) / kSayingStep);
    Counter& counter = model_right_[(digit_ * kNodes + node) * kSayings + saying];
    add(stretch(counter.probability()), &counter);
  }
  const auto inputs = std::span<const Stretch>(inputs_).first(count);
  const std::size_t context = digit_ * kNodes + node;
  const std::size_t finer = context * kSizes + size_ * kSizes / 1024;
  const Stretch one = by_digit_.mix(context, inputs), other = by_size_.mix(finer, inputs);
  return std::clamp(squash((one + other) >> 1), kLeast, static_cast<Probability>(0x10000 - kLeast));
}

void Mixture::learn(bool one) {
  const auto inputs = std::span<const Stretch>(inputs_).first(inputs_count_);
  by_digit_.learn(one, inputs);
  by_size_.learn(one, inputs);
  for (std::size_t i = 0; i < inputs_count_; ++i) {
    if (told_[i] != nullptr) told_[i]->learn(one);
  }
  if (repeat_holds_) repeat_counter_->learn(one == repeat_bit_);
}

void Mixture::close_digit(std::size_t index, unsigned digit) {
  Lane& lane = lanes_[index];
  lane.digits = lane.digits << 4 | digit;
  if (++lane.digit < digits_) return;
  const std::uint64_t word = turned(lane.digits);
  neighbours_.learn(index, lane.place, {word, dtype_});
  repeats_.learn(index, word);
  ++lane.place;
  lane.digit = 0;
  lane.digits = 0;
}

}  // namespace lmgc::mixture
