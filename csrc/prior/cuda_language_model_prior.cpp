#include "prior/cuda_language_model_prior.h"

#include <ATen/Functions.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>
#include <new>
#include <utility>

#include "prior/frequencies_launch.h"

namespace lmgc::prior {
namespace {

static_assert(sizeof(Interval) == 2 * sizeof(std::int32_t));

template <typename T>
at::Tensor on_device(std::span<const T> values, at::IntArrayRef shape, at::ScalarType dtype,
                     c10::Device device) {
  at::Tensor host = at::empty(shape, at::TensorOptions(dtype).pinned_memory(true));
  std::ranges::copy(values, static_cast<T*>(host.mutable_data_ptr()));
  return host.to(device, /*non_blocking=*/true);
}

/// What `work` returns. No room on the device is std::bad_alloc to callers that know no Torch.
template <typename Work>
auto with_room(const Work& work) {
  try {
    return work();
  } catch (const c10::OutOfMemoryError&) {
    throw std::bad_alloc();
  }
}

void* current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

}  // namespace

CudaLanguageModelPrior::CudaLanguageModelPrior(
    std::shared_ptr<const model::cuda::LanguageModel> model, const serialize::TextFormat& format,
    std::size_t window, std::function<void()> checkpoint)
    : model_(std::move(model)),
      window_(window),
      text_(format, model_->begin_token(), model_->byte_tokens()),
      readout_(model_->readout(text_.symbols)),
      checkpoint_(std::move(checkpoint)) {}

void CudaLanguageModelPrior::start(std::size_t chunks) {
  cache_.reset();
  cache_ = with_room([&] {
    return model_->cache(static_cast<std::int64_t>(chunks), static_cast<std::int64_t>(window_));
  });
  pending_.start(text_, chunks);
}

std::span<const std::uint32_t> CudaLanguageModelPrior::cumulative_frequencies() {
  const c10::cuda::CUDAGuard guard(model_->device());
  const std::size_t row = alphabet() + 1;
  if (!pending_.empty()) {
    checkpoint_();
    const auto chunks = static_cast<std::int64_t>(pending_.chunks());
    const std::vector<std::uint8_t> wanted = pending_.wanted();
    with_room([&] {
      const at::Tensor tokens = on_device<std::int32_t>(
          pending_.tokens(), {chunks, static_cast<std::int64_t>(wanted.size())}, at::kInt,
          model_->device());
      const at::Tensor scores = model_->extend(*cache_, tokens, wanted, readout_);
      at::Tensor tables = at::empty({chunks, static_cast<std::int64_t>(row)}, scores.options());
      launch_frequencies(scores.const_data_ptr<std::int32_t>(), pending_.chunks(), alphabet(),
                         static_cast<std::uint32_t*>(tables.mutable_data_ptr()), current_stream());
      C10_CUDA_KERNEL_LAUNCH_CHECK();
      cumulative_ = at::empty(tables.sizes(), at::TensorOptions(at::kInt).pinned_memory(true));
      cumulative_.copy_(tables, /*non_blocking=*/true);
      c10::cuda::getCurrentCUDAStream().synchronize();
    });
    pending_.clear();
  }
  return {static_cast<const std::uint32_t*>(cumulative_.const_data_ptr()), pending_.chunks() * row};
}

void CudaLanguageModelPrior::update(std::span<const std::uint16_t> symbols) {
  pending_.tell(text_, symbols);
}

std::vector<Interval> CudaLanguageModelPrior::intervals(std::span<const std::uint16_t> symbols,
                                                        std::size_t run) {
  checkpoint_();
  const c10::cuda::CUDAGuard guard(model_->device());
  run = std::min(run, symbols.size());
  const TokenWindows windows = windows_of(text_, symbols, run);
  const auto count = static_cast<std::int64_t>((symbols.size() + run - 1) / run);
  std::vector<Interval> result(symbols.size());
  with_room([&] {
    const auto cache = model_->cache(count, static_cast<std::int64_t>(window_));
    const at::Tensor tokens = on_device<std::int32_t>(
        windows.tokens, {count, static_cast<std::int64_t>(windows.wanted.size())}, at::kInt,
        model_->device());
    const at::Tensor told = on_device(symbols, {static_cast<std::int64_t>(symbols.size())},
                                      at::kUInt16, model_->device());
    const at::Tensor scores = model_->extend(*cache, tokens, windows.wanted, readout_);
    at::Tensor intervals =
        at::empty({static_cast<std::int64_t>(symbols.size()), 2}, scores.options());
    launch_intervals(scores.const_data_ptr<std::int32_t>(),
                     static_cast<const std::uint16_t*>(told.const_data_ptr()), symbols.size(),
                     alphabet(), static_cast<Interval*>(intervals.mutable_data_ptr()),
                     current_stream());
    C10_CUDA_KERNEL_LAUNCH_CHECK();
    at::Tensor host = at::empty(intervals.sizes(), at::TensorOptions(at::kInt).pinned_memory(true));
    host.copy_(intervals, /*non_blocking=*/true);
    c10::cuda::getCurrentCUDAStream().synchronize();
    const auto* from = static_cast<const Interval*>(host.const_data_ptr());
    std::copy_n(from, result.size(), result.begin());
  });
  return result;
}

}  // namespace lmgc::prior
