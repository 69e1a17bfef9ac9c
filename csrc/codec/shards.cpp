#include "codec/shards.h"

#include <ATen/Functions.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "codec/header.h"
#include "predict/history.h"
#include "predict/model_part.h"
#include "predict/tile.h"

namespace lmgc::codec {
namespace {

using Model = predict::Model;

/// What can be cut between rows.
struct Item {
  std::int64_t start;  ///< of its parameter in the tensor
  predict::Tile tile;  ///< flat values: of one column
  std::shared_ptr<predict::History> history;
  std::size_t index;                   ///< of the tile in its history
  std::shared_ptr<const Model> model;  ///< null: nothing is known, and cuts cost nothing
  std::size_t number = 0;              ///< among all
  std::int64_t weight = 0;

  [[nodiscard]] std::int64_t columns() const { return static_cast<std::int64_t>(tile.columns); }
  [[nodiscard]] std::int64_t values() const {
    return static_cast<std::int64_t>(tile.rows) * columns();
  }
  /// Whether rows are predicted from rows, which parts of it are not.
  [[nodiscard]] bool suffers() const { return model && model->rows.pivots > 0; }
};

std::vector<Item> items_of(std::span<const Parameter> parameters) {
  std::vector<Item> items;
  std::int64_t start = 0;
  for (const Parameter& parameter : parameters) {
    const auto values = static_cast<std::size_t>(parameter.values());
    if (predict::is_matrix(parameter.shape)) {
      const auto& history = parameter.history;
      std::size_t index = 0;
      for (const predict::Tile& tile : predict::tiles_of(parameter.shape)) {
        const auto model = history ? history->models()[index] : nullptr;
        items.push_back({start, tile, history, index++, model});
      }
    } else if (values > 0) {
      items.push_back({start, {0, values, 1, 1}, nullptr, 0, nullptr});
    }
    start += static_cast<std::int64_t>(values);
  }
  for (std::size_t i = 0; i < items.size(); ++i) items[i].number = i;
  return items;
}

void add_run(Shard& shard, std::int64_t start, std::int64_t count) {
  if (!shard.runs.empty() && shard.runs.back().start + shard.runs.back().count == start) {
    shard.runs.back().count += count;
  } else {
    shard.runs.push_back({start, count});
  }
  shard.values += count;
}

/// Rows [top, bottom) of an item: of one that has a model in its order, but all of them by place.
void add_rows(Shard& shard, const Item& item, std::size_t top, std::size_t bottom) {
  const bool whole = top == 0 && bottom == item.tile.rows;
  const auto rows = static_cast<std::int64_t>(bottom - top);
  Parameter parameter{item.columns() > 1 ? std::vector{rows, item.columns()} : std::vector{rows},
                      nullptr};
  if (item.model) {
    parameter.history = item.history;
    auto model = whole ? item.model
                       : std::make_shared<const Model>(predict::part_of(*item.model, top, bottom));
    parameter.part =
        std::make_shared<const TilePart>(TilePart{item.index, top, bottom, std::move(model)});
  }
  shard.parameters.push_back(std::move(parameter));
  shard.tiles.push_back(item.number);
  if (item.columns() == 1) {
    add_run(shard, item.start + static_cast<std::int64_t>(top), rows);
    return;
  }
  for (std::size_t i = top; i < bottom; ++i) {
    const std::size_t row = item.model && !whole ? item.model->rows.order[i] : i;
    add_run(shard, item.start + static_cast<std::int64_t>(item.tile.start + row * item.tile.stride),
            item.columns());
  }
}

}  // namespace

at::Tensor Shard::gather(const at::Tensor& tensor) const {
  const at::Tensor host = tensor.contiguous();
  at::Tensor part = at::empty({values}, host.options());
  const auto size = static_cast<std::int64_t>(host.element_size());
  const auto* from = static_cast<const std::byte*>(host.const_data_ptr());
  auto* to = static_cast<std::byte*>(part.mutable_data_ptr());
  for (const Run& run : runs) {
    std::memcpy(to, from + run.start * size, static_cast<std::size_t>(run.count * size));
    to += run.count * size;
  }
  return part;
}

void Shard::scatter(const at::Tensor& part, at::Tensor& tensor) const {
  const auto size = static_cast<std::int64_t>(tensor.element_size());
  const auto* from = static_cast<const std::byte*>(part.const_data_ptr());
  auto* to = static_cast<std::byte*>(tensor.mutable_data_ptr());
  for (const Run& run : runs) {
    std::memcpy(to + run.start * size, from, static_cast<std::size_t>(run.count * size));
    from += run.count * size;
  }
}

std::vector<std::int64_t> values_of_tiles(std::span<const Parameter> parameters) {
  std::vector<std::int64_t> values;
  for (const Item& item : items_of(parameters)) values.push_back(item.values());
  return values;
}

std::vector<Shard> cut(std::span<const Parameter> parameters, std::span<const std::int64_t> weights,
                       std::vector<std::int64_t> rooms, std::int64_t slack) {
  std::vector<Item> items = items_of(parameters);
  for (Item& item : items) item.weight = weights[item.number];
  // Those that suffer most from cuts come first, when there is most room.
  std::ranges::stable_sort(items, std::greater<>(),
                           [](const Item& item) { return std::pair(item.suffers(), item.weight); });
  std::vector<Shard> shards(rooms.size());
  const auto roomiest = [&] {
    return static_cast<std::size_t>(std::ranges::max_element(rooms) - rooms.begin());
  };
  std::vector<const Item*> left;
  for (const Item& item : items) {
    const std::size_t rank = roomiest();
    if (item.weight > rooms[rank] + slack) {
      left.push_back(&item);
      continue;
    }
    add_rows(shards[rank], item, 0, item.tile.rows);
    rooms[rank] -= item.weight;
  }
  for (const Item* item : left) {
    const auto rows = static_cast<std::int64_t>(item->tile.rows);
    std::int64_t bottom = 0;
    for (std::int64_t top = 0; top < rows; top = bottom) {
      const std::size_t rank = roomiest();
      const std::int64_t room = std::max<std::int64_t>(rooms[rank], 0);
      const std::int64_t fit = std::max<std::int64_t>(room * rows / item->weight, 1);
      const bool all = fit >= rows - top || item->weight * (rows - top) / rows <= room + slack;
      bottom = all ? rows : top + fit;
      add_rows(shards[rank], *item, static_cast<std::size_t>(top),
               static_cast<std::size_t>(bottom));
      rooms[rank] -= item->weight * (bottom - top) / rows;
    }
  }
  return shards;
}

std::uint64_t fingerprint_of(std::span<const Shard> shards) {
  std::vector<std::int64_t> numbers;
  for (const Shard& shard : shards) {
    numbers.push_back(shard.values);
    for (const Shard::Run& run : shard.runs) {
      numbers.insert(numbers.end(), {run.start, run.count});
    }
  }
  return hash(std::as_bytes(std::span(numbers)));
}

}  // namespace lmgc::codec
