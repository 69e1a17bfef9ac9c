#pragma once

#include <c10/core/Event.h>

#include <optional>

namespace lmgc::hook {

/// Time of a device between two places in the order of its work, for which nobody waits.
class DeviceTimer {
 public:
  /// Starts when the device comes to this place of the thread's stream.
  explicit DeviceTimer(c10::Device device);

  /// Stops when it comes to this one.
  void stop();

  /// None before it was there.
  [[nodiscard]] std::optional<double> seconds() const;

 private:
  void record(c10::Event& event) const;

  c10::Device device_;
  c10::Event start_, end_;
};

}  // namespace lmgc::hook
