#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <vector>

namespace lmgc::communicator {

/// Writes a result to outputs, one after another.
void deliver(const at::Tensor& result, const std::vector<at::Tensor>& outputs);

/// The same from the host to a device: by pinned memory, on a stream of its own, so that nobody
/// waits for anything else that the device does.
class DeviceDelivery {
 public:
  /// To `outputs`, which are on one device. Takes its memory here, where others can still be told
  /// that there is none: that of `pinned`, which a result then overwrites, if it has room for one.
  DeviceDelivery(std::vector<at::Tensor> outputs, const at::Tensor& pinned);

  /// On which the outputs get their values.
  [[nodiscard]] const c10::Stream& stream() const { return stream_; }
  /// Waits for nothing: what had to do with the outputs before the call is done, since the call's
  /// values came after it to the host.
  void start(const at::Tensor& result);

 private:
  std::vector<at::Tensor> outputs_;
  c10::Stream stream_;
  at::Tensor host_;
};

}  // namespace lmgc::communicator
