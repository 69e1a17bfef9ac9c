#include "mixture/neighbours.h"

#include <algorithm>

namespace lmgc::mixture {

Neighbours::Neighbours(std::span<const Grid> grids, std::size_t lanes) : lanes_(lanes) {
  std::uint64_t start = 0;
  std::size_t columns = 0;
  for (const Grid& grid : grids) {
    spans_.push_back({start, std::max<std::uint64_t>(grid.columns, 1), columns});
    start += grid.values;
    columns += spans_.back().columns;
  }
  columns_.resize(columns);
}

std::size_t Neighbours::column(std::size_t place) const {
  const auto after = std::ranges::upper_bound(spans_, place, {}, &Span::start);
  const Span& span = *std::prev(after);
  return span.first_column + (place - span.start) % span.columns;
}

Neighbours::View Neighbours::view(std::size_t lane, std::size_t place) const {
  const Lane& now = lanes_[lane];
  const Column& above = columns_[column(place)];
  const auto near = static_cast<std::uint32_t>(now.near >> 8);
  const auto row = static_cast<std::uint32_t>(now.row >> 8);
  const auto size =
      static_cast<std::uint32_t>(std::clamp((now.row >> 8) + (above.excess >> 8), 0, 1022));
  return {near | (now.zeros & 7) << 10 | (now.signs & 15) << 13, row,
          size / 2 | (above.zeros & 7) << 10, now.signs & 255, size};
}

void Neighbours::learn(std::size_t lane, std::size_t place, const Value& value) {
  Lane& now = lanes_[lane];
  Column& above = columns_[column(place)];
  const auto size = static_cast<std::int32_t>(value.size() << 8);
  now.signs = now.signs << 1 | (value.negative() ? 1U : 0U);
  now.zeros = now.zeros << 1 | (size == 0 ? 1U : 0U);
  above.zeros = above.zeros << 1 | (size == 0 ? 1U : 0U);
  if (size == 0) return;  // says nothing about the others' sizes
  if (now.row == 0) {
    now.near = now.row = size;
    return;
  }
  above.excess += (size - now.row - above.excess) >> 4;
  now.near += (size - now.near) >> 1;
  now.row += (size - now.row) >> 4;
}

}  // namespace lmgc::mixture
