#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace lmgc::predict {
class History;
}

namespace lmgc::codec {

/// One of the parameters whose gradients lie one after another in a tensor.
struct Parameter {
  std::vector<std::int64_t> shape;
  /// What past steps said about it, the same bits on every rank; null: nothing.
  std::shared_ptr<predict::History> history;

  [[nodiscard]] std::int64_t values() const {
    std::int64_t product = 1;
    for (const std::int64_t size : shape) product *= size;
    return product;
  }
};

}  // namespace lmgc::codec
