#include "model/kernels.h"

#include <c10/util/Exception.h>

#include <atomic>
#include <string>
#include <vector>

namespace lmgc::model {
namespace {

std::vector<const Kernels*> find_usable() {
  std::vector<const Kernels*> usable;
#ifdef LMGC_X86_64
  for (const Kernels* candidate : {&kAvx512VnniKernels, &kAvx2Kernels}) {
    if (candidate->supported() && agrees_with_reference(*candidate)) usable.push_back(candidate);
  }
#endif
  usable.push_back(&kScalarKernels);
  return usable;
}

std::atomic<const Kernels*>& current() {
  static std::atomic<const Kernels*> chosen = usable_kernels().front();
  return chosen;
}

}  // namespace

std::span<const Kernels* const> usable_kernels() {
  static const std::vector<const Kernels*> usable = find_usable();
  return usable;
}

const Kernels& kernels() { return *current().load(std::memory_order_relaxed); }

void use_kernels(std::string_view name) {
  std::string names;
  for (const Kernels* candidate : usable_kernels()) {
    if (candidate->name == name) {
      current().store(candidate, std::memory_order_relaxed);
      return;
    }
    names.append(names.empty() ? "" : ", ").append(candidate->name);
  }
  TORCH_CHECK_VALUE(false, "lmgc::model: no kernels named '", name, "' here; usable: ", names);
}

}  // namespace lmgc::model
