#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lmgc::predict {
class History;
struct Model;
}  // namespace lmgc::predict

namespace lmgc::codec {

/// Rows [top, bottom) of a history's tile in coding order, as one matrix.
struct TilePart {
  std::size_t tile, top, bottom;
  std::shared_ptr<const predict::Model> model;  ///< of these rows
};

/// One of the parameters whose gradients lie one after another in a tensor.
struct Parameter {
  std::vector<std::int64_t> shape;
  /// What past steps said about it, the same bits on every rank; null: nothing.
  std::shared_ptr<predict::History> history;
  /// What `shape` is of the history's parameter; null: all of it.
  std::shared_ptr<const TilePart> part = nullptr;

  [[nodiscard]] std::int64_t values() const {
    std::int64_t product = 1;
    for (const std::int64_t size : shape) product *= size;
    return product;
  }
};

}  // namespace lmgc::codec
