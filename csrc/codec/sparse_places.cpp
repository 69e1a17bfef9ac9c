#include <algorithm>
#include <array>
#include <utility>

#include "codec/payload_error.h"
#include "codec/sparse_coder.h"
#include "codec/tile_jobs.h"
#include "coder/range_decoder.h"
#include "coder/range_encoder.h"

namespace lmgc::codec {
namespace {

/// Chance that a value is kept, learned in each context; all begin with the tensor's share.
class Activity {
 public:
  Activity(std::uint64_t kept, std::uint64_t values) : kept_(kept), values_(values) {
    const std::uint64_t share = (kept << kShareBits) / values;
    for (Counts& counts : contexts_) counts = {share * kTrust + 1, kTrust << kShareBits};
  }

  void begin(const Job& job) {
    rows_.assign(job.tile.rows, 0);
    columns_.assign(job.tile.columns, 0);
    column_counts_.assign(job.tile.columns, 0);
    const predict::Model* model = job.model();
    if (model == nullptr) return;
    level(model->rows, rows_);
    level(model->columns, columns_);
  }
  void begin_row(std::size_t row) {
    row_ = row;
    row_count_ = 0;
  }

  /// Of 0 = left away, then 1 = kept.
  [[nodiscard]] std::uint32_t frequency_left(std::size_t column) {
    const int history = std::min(rows_[row_] + columns_[column], kHistories - 1);
    now_ = &contexts_[static_cast<std::size_t>((history * kCrowds + crowd(row_count_, column)) *
                                                   kCrowds +
                                               crowd(column_counts_[column], row_))];
    const std::uint64_t chance = (now_->kept << prior::kTotalBits) / now_->all;
    return prior::kTotalFrequency - static_cast<std::uint32_t>(std::clamp<std::uint64_t>(
                                        chance, 1, prior::kTotalFrequency - 1));
  }

  void learn(std::size_t column, bool kept) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 36;
    now_->kept += kept ? std::uint64_t{1} << kShareBits : 0;
    now_->all += std::uint64_t{1} << kShareBits;
    if (now_->all > kMost) {
      now_->kept = now_->kept / 2 + 1;
      now_->all /= 2;
    }
    row_count_ += kept ? 1 : 0;
    column_counts_[column] += kept ? 1 : 0;
  }

 private:
  static constexpr int kHistories = 24, kCrowds = 8, kShareBits = 20;
  static constexpr std::uint64_t kTrust = 8;

  struct Counts {
    std::uint64_t kept, all;
  };

  /// Octaves that each place lies below the largest.
  static void level(const predict::Side& side, std::vector<int>& octaves) {
    const int most = *std::ranges::max_element(side.exponent);
    for (std::size_t i = 0; i < side.order.size(); ++i) {
      octaves[side.order[i]] = std::min(most - side.exponent[i], kHistories - 1);
    }
  }

  /// How many of `seen` values are kept against what the tensor's share expects.
  [[nodiscard]] int crowd(std::uint64_t count, std::uint64_t seen) const {
    const std::uint64_t expected = seen * kept_;
    if (count == 0) return 2 * expected < values_ ? 0 : expected < 2 * values_ ? 1 : 2;
    const std::uint64_t times = count * values_ / std::max<std::uint64_t>(expected, 1);
    return times < 1 ? 3 : times < 3 ? 4 : times < 8 ? 5 : times < 20 ? 6 : 7;
  }

  std::uint64_t kept_, values_;
  std::array<Counts, std::size_t{kHistories} * kCrowds * kCrowds> contexts_;
  Counts* now_ = nullptr;
  std::vector<int> rows_, columns_;  // octaves below the largest, by place
  std::vector<std::uint32_t> column_counts_;
  std::size_t row_ = 0;
  std::uint64_t row_count_ = 0;
};

/// Calls visit(place, column) for all values of tiles, one after another.
template <typename Visit>
void each_value(std::span<const Job> jobs, Activity& activity, const Visit& visit) {
  for (const Job& job : jobs) {
    activity.begin(job);
    for (std::size_t i = 0; i < job.tile.rows; ++i) {
      activity.begin_row(i);
      const std::size_t start = job.tile.start + i * job.tile.stride;
      for (std::size_t j = 0; j < job.tile.columns; ++j) visit(start + j, j);
    }
  }
}

}  // namespace

void encode_places(std::span<const std::int64_t> places, std::span<const Parameter> parameters,
                   ByteWriter& writer) {
  const std::vector<Piece> pieces = pieces_of(parameters);
  const std::uint64_t fingerprint = fingerprint_of(pieces);
  std::size_t values = 0;
  for (const Piece& piece : pieces) values += piece.values();
  std::vector<bool> kept(values);
  for (const std::int64_t place : places) kept[static_cast<std::size_t>(place)] = true;
  const std::vector<Job> jobs = jobs_of(pieces, fingerprint != 0);
  Activity activity(places.size(), values);
  coder::RangeEncoder encoder;
  each_value(jobs, activity, [&](std::size_t place, std::size_t column) {
    const std::uint32_t left = activity.frequency_left(column);
    const bool keeps = kept[place];
    encoder.encode(keeps ? prior::Interval{left, prior::kTotalFrequency - left}
                         : prior::Interval{0, left});
    activity.learn(column, keeps);
  });
  const std::vector<std::byte> code = std::move(encoder).finish();
  write_table(fingerprint, pieces, writer);
  writer.varint(code.size());
  writer.bytes(code);
}

std::vector<std::int64_t> decode_places(ByteReader& reader, std::size_t kept, std::size_t values,
                                        std::span<const Parameter> parameters) {
  Table table = read_table(reader);
  if (table.values != values || kept > values) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "places of other parameters");
  }
  attach_history(table, parameters);
  coder::RangeDecoder decoder(reader.bytes(reader.varint()));
  const std::vector<Job> jobs = jobs_of(table.pieces, table.fingerprint != 0);
  Activity activity(kept, values);
  std::vector<std::int64_t> places;
  each_value(jobs, activity, [&](std::size_t place, std::size_t column) {
    const std::uint32_t left = activity.frequency_left(column);
    const bool keeps = decoder.target() >= left;
    decoder.take(keeps ? prior::Interval{left, prior::kTotalFrequency - left}
                       : prior::Interval{0, left});
    if (keeps) places.push_back(static_cast<std::int64_t>(place));
    activity.learn(column, keeps);
  });
  if (places.size() != kept) {
    throw PayloadError(PayloadError::Kind::kCorrupt, "another number of places than it says");
  }
  std::ranges::sort(places);  // tiles of one parameter lie side by side
  return places;
}

}  // namespace lmgc::codec
