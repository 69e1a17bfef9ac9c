#pragma once

#include <cstddef>
#include <span>

namespace lmgc::cuda_on_host {

/// Memory that ends where the process may not read on, but for what aligns it to 16 bytes, full of
/// bytes that are no likely value: NaN as a float, -1 as a code.
class GuardedMemory {
 public:
  explicit GuardedMemory(std::size_t size);
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;
  ~GuardedMemory();

  [[nodiscard]] std::span<std::byte> bytes() const { return bytes_; }

 private:
  std::span<std::byte> pages_, bytes_;
};

/// Whether Torch's tensors on the CPU get such memory from now on.
void guard_tensors(bool on);

}  // namespace lmgc::cuda_on_host
