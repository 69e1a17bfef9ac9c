#include "codec/mixture_representation.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "codec/payload_error.h"
#include "codec/tile_jobs.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"
#include "mixture/mixture.h"

namespace lmgc::codec {
namespace {

using Kind = PayloadError::Kind;
using mixture::Mixture;
using mixture::Probability;
using serialize::DType;

/// Windows that a language model sees at a time, side by side.
constexpr std::size_t kLanes = 32;
/// Values between two checkpoints without a language model.
constexpr std::size_t kSection = 4096;
/// Bytes of values that a byte of code can hold: no bit costs less than -log2(1 - 2^-14).
constexpr std::uint64_t kMostExpansion = 11'400;

/// Consecutive values that are coded digit by digit: the first of all lanes' values, then the next.
struct Section {
  std::size_t values, run, digits;  ///< values of a lane, of which the last may have fewer

  [[nodiscard]] std::size_t lanes() const { return (values + run - 1) / run; }
  [[nodiscard]] std::size_t steps() const { return std::min(run, values) * digits; }
  /// Lanes that have a digit at `step`.
  [[nodiscard]] std::size_t running(std::size_t step) const {
    return step < (values - (lanes() - 1) * run) * digits ? lanes() : lanes() - 1;
  }
  /// Of a lane's digit among the section's.
  [[nodiscard]] std::size_t index(std::size_t lane, std::size_t step) const {
    return lane * run * digits + step;
  }
};

/// A tensor's values in sections; with a language model of windows, each of which is a lane.
class Sections {
 public:
  Sections(DType dtype, std::size_t values, const TextHead* head)
      : value_bytes_(serialize::traits(dtype).bytes), values_(values) {
    if (head == nullptr) return;
    run_ = head->format.symbols_per_window(head->window) /
           (value_bytes_ * head->format.symbols_per_byte());
    lanes_ =
        std::clamp<std::size_t>((values + run_ - 1) / std::max<std::size_t>(run_, 1), 1, kLanes);
  }

  [[nodiscard]] std::size_t run() const { return run_; }
  [[nodiscard]] std::size_t lanes() const { return lanes_; }

  /// Calls work(first value, section).
  template <typename Work>
  void each(const Work& work) const {
    for (std::size_t first = 0; first < values_; first += run_ * lanes_) {
      work(first, Section{std::min(run_ * lanes_, values_ - first), run_, 2 * value_bytes_});
    }
  }

 private:
  std::size_t value_bytes_, values_, run_ = kSection, lanes_ = 1;
};

std::vector<mixture::Grid> grids_of(std::span<const Piece> pieces) {
  std::vector<mixture::Grid> grids;
  for (const Piece& piece : pieces) grids.push_back({piece.values(), piece.columns});
  return grids;
}

serialize::TextFormat digits_in(serialize::ByteOrder order) {
  return {serialize::Serialization::kHex, 1, order};
}

void encode_section(const Section& section, std::span<const std::uint16_t> digits,
                    std::span<const std::uint16_t> shares, Mixture& mixture,
                    coder::RangeEncoder& encoder) {
  for (std::size_t step = 0; step < section.steps(); ++step) {
    for (std::size_t lane = 0; lane < section.running(step); ++lane) {
      const std::size_t index = section.index(lane, step);
      unsigned bits_left = 4;
      mixture.code_digit(
          lane, [&](unsigned bit, unsigned) { return shares[4 * index + bit]; },
          [&](Probability probability) {
            const bool one = (digits[index] >> --bits_left & 1) != 0;
            encoder.encode(coder::interval_of_bit(one, probability));
            return one;
          });
    }
  }
}

/// `prior`: null if experts are alone. A symbol is one digit or two.
void decode_section(const Section& section, prior::Prior* prior, std::size_t digits_per_symbol,
                    Mixture& mixture, coder::RangeDecoder& decoder,
                    std::span<std::uint16_t> digits) {
  const auto symbol_bits = static_cast<unsigned>(4 * digits_per_symbol);
  const std::size_t row = (std::size_t{1} << symbol_bits) + 1;
  std::vector<std::uint16_t> symbols(section.lanes());
  std::span<const std::uint32_t> tables;
  if (prior != nullptr) prior->start(section.lanes());
  for (std::size_t step = 0; step < section.steps(); ++step) {
    const std::size_t running = section.running(step), within = step % digits_per_symbol;
    if (prior != nullptr && within == 0) {
      if (step > 0) prior->update(std::span(symbols).first(running));
      tables = prior->cumulative_frequencies();
    }
    for (std::size_t lane = 0; lane < running; ++lane) {
      const unsigned before = within == 0 ? 0 : symbols[lane];
      const unsigned digit = mixture.code_digit(
          lane,
          [&](unsigned bit, unsigned node) {
            return prior::share_of_ones(tables.data() + lane * row, symbol_bits,
                                        before << bit | (node - (1U << bit)),
                                        static_cast<unsigned>(4 * within) + bit);
          },
          [&](Probability probability) {
            const bool one = decoder.target() < coder::interval_of_bit(true, probability).frequency;
            decoder.take(coder::interval_of_bit(one, probability));
            return one;
          });
      symbols[lane] = static_cast<std::uint16_t>(before << 4 | digit);
      digits[section.index(lane, step)] = static_cast<std::uint16_t>(digit);
    }
  }
}

}  // namespace

MixtureRepresentation::MixtureRepresentation(serialize::ByteOrder order,
                                             std::function<void()> checkpoint)
    : order_(order), checkpoint_(std::move(checkpoint)) {}

MixtureRepresentation::MixtureRepresentation(const TextHead& head, std::size_t max_window,
                                             PriorFactory prior)
    : order_(head.format.byte_order), head_(head), prior_(std::move(prior)), checkpoint_([] {}) {
  if (head.window > max_window || Sections(DType::kFloat64, 1, &head).run() == 0) {
    throw std::invalid_argument("lmgc: a window of " + std::to_string(head.window) +
                                " tokens; beside a mixture it must hold a value of 8 bytes and the "
                                "token that opens it, and this model sees at most " +
                                std::to_string(max_window));
  }
}

Parts MixtureRepresentation::encode(DType dtype, std::span<const std::byte> values,
                                    std::span<const Parameter> parameters) const {
  const std::vector<Piece> pieces = pieces_of(parameters);
  const std::size_t value_bytes = serialize::traits(dtype).bytes;
  const Sections sections(dtype, values.size() / value_bytes, head_ ? &*head_ : nullptr);
  const auto prior = head_ ? prior_(head_->format, head_->window) : nullptr;
  Mixture mixture(dtype, order_, grids_of(pieces), sections.lanes(), prior != nullptr);
  coder::RangeEncoder encoder;
  sections.each([&](std::size_t first, const Section& section) {
    checkpoint_();
    const auto part = values.subspan(first * value_bytes, section.values * value_bytes);
    std::vector<std::uint16_t> shares;
    if (prior != nullptr) {
      const auto symbols = head_->format.to_symbols(dtype, part);
      shares = prior->shares_of_ones(symbols, section.run * symbols.size() / section.values);
      for (std::size_t lane = 0; lane < section.lanes(); ++lane) {
        mixture.restart(lane, first + lane * section.run);
      }
    }
    encode_section(section, digits_in(order_).to_symbols(dtype, part), shares, mixture, encoder);
  });

  ByteWriter body;
  body.fixed(static_cast<std::uint8_t>(head_ ? 1 : 0));
  if (head_) {
    head_->write(body);
  } else {
    body.fixed(static_cast<std::uint8_t>(order_));
  }
  write_table(0, pieces, body);
  return {std::move(body.written()), std::move(encoder).finish()};
}

std::uint64_t MixtureRepresentation::capacity_bytes(DType, std::span<const std::byte> body) const {
  return (body.size() + sizeof(std::uint64_t)) * kMostExpansion;  // the coder ends early
}

void MixtureRepresentation::decode(DType dtype, std::span<const std::byte> body,
                                   std::span<const Parameter>, std::span<std::byte> values) const {
  ByteReader reader(body);
  const auto with_model = reader.fixed<std::uint8_t>();
  if (with_model > 1) throw PayloadError(Kind::kCorrupt, "unknown mixture");
  if (with_model != (head_ ? 1 : 0)) {
    throw PayloadError(Kind::kModel, with_model != 0
                                         ? "written with a language model, this codec has none"
                                         : "written without the language model of this codec");
  }
  std::optional<TextHead> head;
  auto order = serialize::ByteOrder::kBig;
  if (head_) {
    head = head_->read(reader);
    order = head->format.byte_order;
  } else {
    const auto number = reader.fixed<std::uint8_t>();
    if (number > 1) throw PayloadError(Kind::kCorrupt, "unknown order of bytes");
    order = static_cast<serialize::ByteOrder>(number);
  }
  const Table table = read_table(reader);
  const std::size_t value_bytes = serialize::traits(dtype).bytes;
  const Sections sections(dtype, values.size() / value_bytes, head ? &*head : nullptr);
  if (table.fingerprint != 0 || table.values != values.size() / value_bytes ||
      sections.run() == 0) {
    throw PayloadError(Kind::kCorrupt, "parameters of " + std::to_string(table.values) +
                                           " values in a tensor of " +
                                           std::to_string(values.size() / value_bytes) +
                                           ", or a window without room for one");
  }
  const auto prior = head ? prior_(head->format, head->window) : nullptr;
  Mixture mixture(dtype, order, grids_of(table.pieces), sections.lanes(), prior != nullptr);
  coder::RangeDecoder decoder(reader.rest());
  sections.each([&](std::size_t first, const Section& section) {
    checkpoint_();
    if (prior != nullptr) {
      for (std::size_t lane = 0; lane < section.lanes(); ++lane) {
        mixture.restart(lane, first + lane * section.run);
      }
    }
    std::vector<std::uint16_t> digits(section.values * section.digits);
    decode_section(section, prior.get(), head ? 2 / head->format.symbols_per_byte() : 1, mixture,
                   decoder, digits);
    digits_in(order).from_symbols(
        dtype, digits, values.subspan(first * value_bytes, section.values * value_bytes));
  });
}

}  // namespace lmgc::codec
