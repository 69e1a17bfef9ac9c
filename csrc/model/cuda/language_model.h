#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "model/cuda/launch.h"
#include "model/cuda/weights.h"
#include "process.h"

/// The language model on a CUDA device: the arithmetic of model::LanguageModel, to the bit.
namespace lmgc::model::cuda {

class Pass;

/// Keys and values of several contexts of equal length ("lanes"), int8.
class KeyValueCache {
 public:
  KeyValueCache(const Architecture& architecture, std::int64_t lanes, std::int64_t capacity,
                c10::Device device);

  [[nodiscard]] std::int64_t lanes() const { return lanes_; }
  [[nodiscard]] std::int64_t length() const { return length_; }
  [[nodiscard]] std::int64_t capacity() const { return capacity_; }
  /// Of one lane.
  [[nodiscard]] static std::int64_t bytes(const Architecture& architecture, std::int64_t capacity);

 private:
  friend class LanguageModel;
  friend class Lockstep;

  /// From lane `first` on.
  [[nodiscard]] Context context(std::int64_t layer, std::int64_t first) const;

  std::int64_t lanes_, capacity_, length_ = 0;
  at::Tensor keys_, values_;  ///< [layer, lane, kv head, ...] as in launch.h
  at::Tensor key_scales_, value_scales_;
};

/// Thread-safe, as model::LanguageModel is; works on the caller's current stream. A forked child is
/// refused by std::runtime_error.
class LanguageModel {
 public:
  /// As model::LanguageModel's; throws c10::ValueError also for heads beyond kHeadLimit.
  LanguageModel(const Architecture& architecture, const TensorMap& tensors,
                const Fingerprint& fingerprint, c10::Device device);

  [[nodiscard]] const Architecture& architecture() const { return a_; }
  [[nodiscard]] const Fingerprint& fingerprint() const { return fingerprint_; }
  [[nodiscard]] c10::Device device() const { return device_; }
  [[nodiscard]] std::int32_t begin_token() const { return weights_.begin_token; }
  [[nodiscard]] std::span<const std::int32_t> byte_tokens() const { return weights_.byte_tokens; }

  /// Rows of the output projection for `tokens`, in their order.
  [[nodiscard]] Matrix readout(std::span<const std::int32_t> tokens) const;
  [[nodiscard]] std::unique_ptr<KeyValueCache> cache(std::int64_t lanes,
                                                     std::int64_t capacity) const;
  /// Contexts of `capacity` tokens for which the device has room now, and which keep it busy.
  [[nodiscard]] std::int64_t lanes(std::int64_t capacity) const;

  /// Appends `tokens` [lanes, steps], int32 on the device and within the vocabulary, to the first
  /// lanes of `cache`; further ones are dropped. Returns the scores after each step with
  /// `wanted[step] != 0`, int32 [lanes, count of wanted, readout tokens], enqueued.
  [[nodiscard]] at::Tensor extend(KeyValueCache& cache, const at::Tensor& tokens,
                                  std::span<const std::uint8_t> wanted,
                                  const Matrix& readout) const;

 private:
  friend class Lockstep;

  void require_own_process() const;
  /// Takes tokens of a pass through all layers, from the cache's lane `lane` on.
  void take_through(Pass& pass, const std::int32_t* tokens, const KeyValueCache& cache,
                    std::int64_t lane, const Position& position) const;

  Process process_;
  Architecture a_;
  Fingerprint fingerprint_;
  c10::Device device_;
  Weights weights_;
};

}  // namespace lmgc::model::cuda
