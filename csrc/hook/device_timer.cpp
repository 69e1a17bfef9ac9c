#include "hook/device_timer.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include <exception>

namespace lmgc::hook {
namespace {

constexpr auto kWithTime = c10::EventFlag::BACKEND_DEFAULT;

}  // namespace

DeviceTimer::DeviceTimer(c10::Device device)
    : device_(device), start_(device.type(), kWithTime), end_(device.type(), kWithTime) {
  record(start_);
}

void DeviceTimer::stop() { record(end_); }

std::optional<double> DeviceTimer::seconds() const {
  try {
    if (!end_.query()) return std::nullopt;
    return start_.elapsedTime(end_) / 1000;
  } catch (const std::exception&) {
    return 0;  // the device failed, which whoever waits for it is told
  }
}

void DeviceTimer::record(c10::Event& event) const {
  event.record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
}

}  // namespace lmgc::hook
