#include "predict/model_part.h"

#include <numeric>

namespace lmgc::predict {
namespace {

template <typename Number>
std::vector<Number> part(const std::vector<Number>& all, std::size_t start, std::size_t end) {
  return {all.begin() + static_cast<std::ptrdiff_t>(start),
          all.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace

Model section_of(const Model& model, std::size_t top, std::size_t bottom) {
  Model section = model;
  Side& rows = section.rows;
  rows.order = part(rows.order, top, bottom);
  rows.shift = part(rows.shift, top, bottom);
  rows.exponent = part(rows.exponent, top, bottom);
  rows.weights = part(rows.weights, top * rows.pivots, bottom * rows.pivots);
  rows.edges = {0};
  for (const std::uint16_t edge : model.rows.edges) {
    if (edge > top && edge < bottom) rows.edges.push_back(static_cast<std::uint16_t>(edge - top));
  }
  rows.edges.push_back(static_cast<std::uint16_t>(bottom - top));
  return section;
}

Model part_of(const Model& model, std::size_t top, std::size_t bottom) {
  Model own = section_of(model, top, bottom);
  Side& rows = own.rows;
  std::iota(rows.order.begin(), rows.order.end(), std::uint16_t{0});
  if (top > 0) {
    rows.pivots = 0;
    rows.weights.clear();
    rows.edges = {0, static_cast<std::uint16_t>(bottom - top)};
  }
  return own;
}

}  // namespace lmgc::predict
