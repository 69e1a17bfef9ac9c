#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "codec/payload_error.h"
#include "codec/sparse_coder.h"
#include "codec/tile_jobs.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"

namespace lmgc::codec {
namespace {

/// Chance that a value is kept, learned in each context: by how many of its row and its column are
/// so far, and which of those just before it. All begin with the tensor's share.
class Activity {
 public:
  Activity(std::uint64_t kept, std::uint64_t values) : kept_(kept), values_(values) {
    const std::uint64_t share = (kept << kShareBits) / values;
    for (Counts& counts : contexts_) counts = {share * kTrust + 1, kTrust << kShareBits};
  }

  void begin(const predict::Tile& tile) { columns_.assign(tile.columns, 0); }
  void begin_row(std::size_t row) {
    rows_before_ = row;
    in_row_ = 0;
    recent_ = 0;
  }

  /// Of 0 = left away, then 1 = kept.
  [[nodiscard]] std::uint32_t frequency_left(std::size_t column) {
    constexpr std::uint32_t kNear = (1U << kNeighbours) - 2;
    const std::size_t before = (recent_ & 1) != 0 ? 2 : (recent_ & kNear) != 0 ? 1 : 0;
    now_ = &contexts_[(before * kCrowds + crowd(in_row_, column)) * kCrowds +
                      crowd(columns_[column], rows_before_)];
    const std::uint64_t chance = (now_->kept << coder::kTotalBits) / now_->all;
    return coder::kTotalFrequency - static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
                                        chance, 1, coder::kTotalFrequency - 1));
  }

  void learn(std::size_t column, bool kept) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 36;
    now_->kept += kept ? std::uint64_t{1} << kShareBits : 0;
    now_->all += std::uint64_t{1} << kShareBits;
    if (now_->all > kMost) {
      now_->kept = now_->kept / 2 + 1;
      now_->all /= 2;
    }
    in_row_ += kept ? 1 : 0;
    columns_[column] += kept ? 1 : 0;
    recent_ = recent_ << 1 | (kept ? 1 : 0);
  }

 private:
  static constexpr std::size_t kCrowds = 10;
  static constexpr int kNeighbours = 9, kShareBits = 20;
  static constexpr std::uint64_t kTrust = 8;

  struct Counts {
    std::uint64_t kept, all;
  };

  /// How many of `seen` values are kept against what the tensor's share expects.
  [[nodiscard]] std::size_t crowd(std::uint64_t count, std::uint64_t seen) const {
    const std::uint64_t expected = seen * kept_;
    if (count == 0) return 2 * expected < values_ ? 0 : expected < 2 * values_ ? 1 : 2;
    const std::uint64_t times = count * values_ / std::max<std::uint64_t>(expected, 1);
    return 3 + std::min<std::size_t>(std::bit_width(times), kCrowds - 4);
  }

  std::uint64_t kept_, values_;
  std::array<Counts, 3 * kCrowds * kCrowds> contexts_;
  Counts* now_ = nullptr;
  std::vector<std::uint32_t> columns_;  // kept in each
  std::size_t rows_before_ = 0;
  std::uint64_t in_row_ = 0;
  std::uint32_t recent_ = 0;  // bits, the last lowest
};

/// Calls visit(place, column) for all values of tiles, one after another.
template <typename Visit>
void each_value(std::span<const Piece> pieces, Activity& activity, const Visit& visit) {
  for (const Job& job : jobs_of(pieces, false)) {
    activity.begin(job.tile);
    for (std::size_t i = 0; i < job.tile.rows; ++i) {
      activity.begin_row(i);
      const std::size_t start = job.tile.start + i * job.tile.stride;
      for (std::size_t j = 0; j < job.tile.columns; ++j) visit(start + j, j);
    }
  }
}

/// How many of rising places are in each piece.
std::vector<std::size_t> runs_of(std::span<const std::int64_t> places,
                                 std::span<const Piece> pieces) {
  std::vector<std::size_t> runs;
  std::uint64_t end = 0;
  auto from = places.begin();
  for (const Piece& piece : pieces) {
    end += piece.values();
    const auto to = std::lower_bound(from, places.end(), static_cast<std::int64_t>(end));
    runs.push_back(static_cast<std::size_t>(to - from));
    from = to;
  }
  return runs;
}

}  // namespace

std::vector<std::size_t> encode_places(std::span<const std::int64_t> places,
                                       std::span<const Parameter> parameters, ByteWriter& writer) {
  const std::vector<Piece> pieces = pieces_of(parameters);
  std::size_t values = 0;
  for (const Piece& piece : pieces) values += piece.values();
  std::vector<bool> kept(values);
  for (const std::int64_t place : places) kept[static_cast<std::size_t>(place)] = true;
  Activity activity(places.size(), values);
  coder::RangeEncoder encoder;
  each_value(pieces, activity, [&](std::size_t place, std::size_t column) {
    const std::uint32_t left = activity.frequency_left(column);
    const bool keeps = kept[place];
    encoder.encode(keeps ? coder::Interval{left, coder::kTotalFrequency - left}
                         : coder::Interval{0, left});
    activity.learn(column, keeps);
  });
  const std::vector<std::byte> code = std::move(encoder).finish();
  write_table(0, pieces, writer);
  writer.varint(code.size());
  writer.bytes(code);
  return runs_of(places, pieces);
}

Places decode_places(ByteReader& reader, std::size_t kept, std::size_t values) {
  const Table table = read_table(reader);
  if (table.values != values || kept > values) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "places of other parameters");
  }
  coder::RangeDecoder decoder(reader.bytes(reader.varint()));
  Activity activity(kept, values);
  std::vector<std::int64_t> places;
  each_value(table.pieces, activity, [&](std::size_t place, std::size_t column) {
    const std::uint32_t left = activity.frequency_left(column);
    const bool keeps = decoder.target() >= left;
    decoder.take(keeps ? coder::Interval{left, coder::kTotalFrequency - left}
                       : coder::Interval{0, left});
    if (keeps) places.push_back(static_cast<std::int64_t>(place));
    activity.learn(column, keeps);
  });
  if (places.size() != kept) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "another number of places than it says");
  }
  std::ranges::sort(places);  // tiles of one parameter lie side by side
  std::vector<std::size_t> runs = runs_of(places, table.pieces);
  return {std::move(places), std::move(runs)};
}

}  // namespace lmgc::codec
