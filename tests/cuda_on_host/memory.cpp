#include "memory.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

namespace lmgc::cuda_on_host {
namespace {

class GuardedAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t size) override {
    if (size == 0) return {nullptr, nullptr, &release, at::kCPU};
    auto* const memory = new GuardedMemory(size);
    return {memory->bytes().data(), memory, &release, at::kCPU};
  }
  void copy_data(void* to, const void* from, std::size_t count) const override {
    default_copy_data(to, from, count);
  }

 private:
  static void release(void* memory) { delete static_cast<GuardedMemory*>(memory); }
};

[[nodiscard]] std::size_t round_up(std::size_t size, std::size_t unit) {
  return (size + unit - 1) / unit * unit;
}

}  // namespace

GuardedMemory::GuardedMemory(std::size_t size) {
  if (size == 0) return;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t room = round_up(size, page);
  void* const pages =
      mmap(nullptr, room + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc();
  pages_ = {static_cast<std::byte*>(pages), room + page};
  bytes_ = pages_.subspan(room - round_up(size, 16), size);
  std::memset(pages, 0xFF, room);
  if (mprotect(pages_.data() + room, page, PROT_NONE) != 0) throw std::bad_alloc();
}

GuardedMemory::~GuardedMemory() {
  if (!pages_.empty()) munmap(pages_.data(), pages_.size());
}

void guard_tensors(bool on) {
  static GuardedAllocator guarded;
  static c10::Allocator* const before = c10::GetCPUAllocator();
  c10::SetCPUAllocator(on ? &guarded : before);
}

}  // namespace lmgc::cuda_on_host
