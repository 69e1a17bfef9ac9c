#pragma once

#include "model/language_model.h"
#include "model/matrix.h"

namespace lmgc::model {

class Readout {
 public:
  explicit Readout(Matrix matrix) : matrix_(std::move(matrix)) {}
  [[nodiscard]] const Matrix& matrix() const { return matrix_; }
  [[nodiscard]] std::int64_t tokens() const { return matrix_.columns(); }

 private:
  Matrix matrix_;
};

}  // namespace lmgc::model
