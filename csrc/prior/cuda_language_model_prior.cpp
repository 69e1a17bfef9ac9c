#include "prior/cuda_language_model_prior.h"

#include <ATen/Functions.h>
#include <c10/core/DeviceGuard.h>

#include <algorithm>
#include <bit>
#include <new>
#include <utility>

#include "prior/table_launch.h"

namespace lmgc::prior {
namespace {

static_assert(sizeof(Interval) == 2 * sizeof(std::int32_t));

/// Passes of whole windows after which a host gets what it is to code.
constexpr std::size_t kPassesAhead = 4;
/// Symbols after which decode looks whether it is to go on: the host must not be far ahead.
constexpr std::int64_t kStepsAhead = 16;

at::Tensor on_host(at::IntArrayRef shape, at::ScalarType dtype) {
  return at::empty(shape, model::cuda::pinned().dtype(dtype));
}

template <typename Range>
[[nodiscard]] std::int64_t size_of(const Range& range) {
  return static_cast<std::int64_t>(range.size());
}

template <typename T>
at::Tensor on_device(std::span<const T> values, at::IntArrayRef shape, c10::Device device) {
  const at::Tensor host = on_host(shape, c10::CppTypeToScalarType<T>::value);
  std::ranges::copy(values, static_cast<T*>(host.mutable_data_ptr()));
  return host.to(device, /*non_blocking=*/true);
}

/// Of a tensor of the device, once it is made.
at::Tensor to_host(const at::Tensor& tensor) {
  at::Tensor host = on_host(tensor.sizes(), tensor.scalar_type());
  host.copy_(tensor, /*non_blocking=*/true);
  model::cuda::wait_for_stream();
  return host;
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

/// Chunks of code on the device.
struct Code {
  Code(std::span<const std::span<const std::byte>> chunks, c10::Device device) {
    std::vector<std::int64_t> end_of{0};
    for (const auto& chunk : chunks) {
      end_of.push_back(end_of.back() + size_of(chunk));
    }
    const at::Tensor joined = on_host({end_of.back()}, at::kByte);
    auto* to = static_cast<std::byte*>(joined.mutable_data_ptr());
    for (const auto& chunk : chunks) to = std::ranges::copy(chunk, to).out;
    bytes = joined.to(device, /*non_blocking=*/true);
    ends = on_device<std::int64_t>(end_of, {size_of(end_of)}, device);
    decoders = at::empty({static_cast<std::int64_t>(chunks.size() * sizeof(coder::RangeDecoder))},
                         bytes.options());
  }

  [[nodiscard]] CodedRows rows() const {
    return {static_cast<const std::byte*>(bytes.const_data_ptr()),
            ends.const_data_ptr<std::int64_t>(),
            static_cast<coder::RangeDecoder*>(decoders.mutable_data_ptr())};
  }

  at::Tensor bytes, ends, decoders;
};

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
  const c10::DeviceGuard guard(model_->device());
  lockstep_.reset();
  cache_.reset();
  with_room([&] {
    cache_ = model_->cache(static_cast<std::int64_t>(chunks), static_cast<std::int64_t>(window_));
    lockstep_ = std::make_unique<model::cuda::Lockstep>(*model_, *cache_, readout_);
  });
  pending_.start(text_, chunks);
}

std::size_t CudaLanguageModelPrior::chunks_of_passes(std::size_t passes) const {
  return std::max(passes * static_cast<std::size_t>(model::cuda::pass_rows()) / window_,
                  std::size_t{1});
}

at::Tensor CudaLanguageModelPrior::scores_after(const at::Tensor& tokens) {
  if (tokens.sizes() == lockstep_->tokens().sizes()) {
    if (!tokens.is_same(lockstep_->tokens())) lockstep_->tokens().copy_(tokens);
    return lockstep_->step();
  }
  std::vector<std::uint8_t> wanted(static_cast<std::size_t>(tokens.size(1)));
  wanted.back() = 1;
  return model_->extend(*cache_, tokens, wanted, readout_).squeeze(1);
}

at::Tensor CudaLanguageModelPrior::scores_of(std::span<const std::uint16_t> symbols,
                                             std::size_t run) const {
  run = std::min(run, symbols.size());
  const TokenWindows windows = windows_of(text_, symbols, run);
  const auto count = static_cast<std::int64_t>((symbols.size() + run - 1) / run);
  const auto cache = model_->cache(count, static_cast<std::int64_t>(window_));
  const at::Tensor tokens =
      on_device<std::int32_t>(windows.tokens, {count, size_of(windows.wanted)}, model_->device());
  return model_->extend(*cache, tokens, windows.wanted, readout_)
      .flatten(0, 1)
      .narrow(0, 0, size_of(symbols));
}

at::Tensor CudaLanguageModelPrior::tables_of(const at::Tensor& scores) const {
  at::Tensor tables = at::empty({scores.size(0), scores.size(1) + 1}, scores.options());
  launch_frequencies(
      scores.const_data_ptr<std::int32_t>(), static_cast<std::size_t>(scores.size(0)), alphabet(),
      static_cast<std::uint32_t*>(tables.mutable_data_ptr()), model::cuda::current_stream());
  model::cuda::check_launches();
  return to_host(tables);
}

std::span<const std::uint32_t> CudaLanguageModelPrior::cumulative_frequencies() {
  const c10::DeviceGuard guard(model_->device());
  if (!pending_.empty()) {
    checkpoint_();
    const auto chunks = static_cast<std::int64_t>(pending_.chunks());
    with_room([&] {
      cumulative_ = tables_of(scores_after(on_device<std::int32_t>(
          pending_.tokens(), {chunks, size_of(pending_.tokens()) / chunks}, model_->device())));
    });
    pending_.clear();
  }
  return {static_cast<const std::uint32_t*>(cumulative_.const_data_ptr()),
          pending_.chunks() * (alphabet() + 1)};
}

void CudaLanguageModelPrior::update(std::span<const std::uint16_t> symbols) {
  pending_.tell(text_, symbols);
}

std::unique_ptr<CudaLanguageModelPrior::Coming> CudaLanguageModelPrior::enqueue_intervals(
    std::span<const std::uint16_t> symbols, std::size_t run, std::size_t first) const {
  return with_room([&] {
    const at::Tensor scores = scores_of(symbols, run);
    const at::Tensor told = on_device(symbols, {size_of(symbols)}, model_->device());
    at::Tensor intervals = at::empty({size_of(symbols), 2}, scores.options());
    launch_intervals(scores.const_data_ptr<std::int32_t>(),
                     static_cast<const std::uint16_t*>(told.const_data_ptr()), symbols.size(),
                     alphabet(), static_cast<Interval*>(intervals.mutable_data_ptr()),
                     model::cuda::current_stream());
    model::cuda::check_launches();
    at::Tensor host = on_host(intervals.sizes(), at::kInt);
    host.copy_(intervals, /*non_blocking=*/true);
    return std::unique_ptr<Coming>(new Coming{first, host, {}});
  });
}

void CudaLanguageModelPrior::intervals(std::span<const std::uint16_t> symbols, std::size_t run,
                                       const TakeIntervals& take) {
  const c10::DeviceGuard guard(model_->device());
  const std::size_t block = chunks_of_passes(kPassesAhead);
  std::unique_ptr<Coming> coming;
  const auto take_coming = [&] {
    if (!coming) return;
    coming->arrival.wait();
    const auto* from = static_cast<const Interval*>(coming->intervals.const_data_ptr());
    take(coming->first, {from, static_cast<std::size_t>(coming->intervals.size(0))});
  };
  for (std::size_t begin = 0; begin < symbols.size(); begin += block * run) {
    checkpoint_();
    auto next = enqueue_intervals(
        symbols.subspan(begin, std::min(block * run, symbols.size() - begin)), run, begin / run);
    take_coming();  // while the device works on the next
    coming = std::move(next);
  }
  take_coming();
}

std::vector<std::uint16_t> CudaLanguageModelPrior::shares_of_ones(
    std::span<const std::uint16_t> symbols, std::size_t run) {
  const c10::DeviceGuard guard(model_->device());
  const auto bits = static_cast<std::size_t>(std::countr_zero(alphabet()));
  std::vector<std::uint16_t> shares(symbols.size() * bits);
  std::size_t chunks = chunks_of_passes(1);
  for (std::size_t begin = 0; begin < symbols.size();) {
    checkpoint_();
    const auto part = symbols.subspan(begin, std::min(chunks * run, symbols.size() - begin));
    try {
      const at::Tensor tables = with_room([&] { return tables_of(scores_of(part, run)); });
      const auto* table = static_cast<const std::uint32_t*>(tables.const_data_ptr());
      for (std::size_t i = 0; i < part.size(); ++i, table += alphabet() + 1) {
        write_shares_of_ones(table, part[i], std::span(shares).subspan((begin + i) * bits, bits));
      }
    } catch (const std::bad_alloc&) {
      if (chunks == 1) throw;
      chunks /= 2;
      continue;
    }
    begin += part.size();
  }
  return shares;
}

void CudaLanguageModelPrior::decode(std::span<const std::span<const std::byte>> chunks,
                                    std::size_t run, std::span<std::uint16_t> symbols) {
  const c10::DeviceGuard guard(model_->device());
  const std::int64_t count = size_of(chunks);
  const auto steps = static_cast<std::int64_t>(std::min(run, symbols.size()));
  start(chunks.size());
  with_room([&] {
    const c10::Device device = model_->device();
    const Code code(chunks, device);
    const at::Tensor decoded = at::empty({count, steps}, code.bytes.options().dtype(at::kUInt16));
    const at::Tensor symbol_tokens =
        on_device<std::int32_t>(text_.symbols, {size_of(text_.symbols)}, device);
    const at::Tensor between =
        on_device<std::int32_t>(text_.between, {size_of(text_.between)}, device);
    at::Tensor tokens = on_device<std::int32_t>(
        pending_.tokens(), {count, size_of(pending_.tokens()) / count}, device);
    // All chunks go on to the end: what a shorter last one decodes there is left.
    for (std::int64_t at = 0; at < steps; ++at) {
      if (at % kStepsAhead == 0) {
        model::cuda::wait_for_stream();
        checkpoint_();
      }
      const at::Tensor scores = scores_after(tokens);
      const bool ends_group = (at + 1) % static_cast<std::int64_t>(text_.symbols_per_group) == 0;
      const std::int64_t following = ends_group ? between.numel() : 0;
      tokens = following == 0 ? lockstep_->tokens()
                              : at::empty({count, 1 + following}, between.options());
      launch_decode(
          scores.const_data_ptr<std::int32_t>(), chunks.size(), alphabet(), code.rows(),
          {static_cast<std::uint16_t*>(decoded.mutable_data_ptr()), steps, at,
           symbol_tokens.const_data_ptr<std::int32_t>(), between.const_data_ptr<std::int32_t>(),
           following, tokens.mutable_data_ptr<std::int32_t>()},
          model::cuda::current_stream());
      model::cuda::check_launches();
    }
    const at::Tensor host = to_host(decoded);
    std::copy_n(static_cast<const std::uint16_t*>(host.const_data_ptr()), symbols.size(),
                symbols.data());
  });
}

}  // namespace lmgc::prior
