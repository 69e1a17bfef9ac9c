#include "model/kernels.h"

#include <vector>

#include "implementations.h"

namespace lmgc::model {
namespace {

Implementations<Kernels>& implementations() {
  static Implementations<Kernels> all(
      {
#ifdef LMGC_X86_64
          &kAmxKernels,
          &kAvx512VnniKernels,
          &kAvx2Kernels,
#endif
      },
      kScalarKernels, agrees_with_reference);
  return all;
}

}  // namespace

std::span<const Kernels* const> usable_kernels() { return implementations().usable(); }

const Kernels& kernels() { return implementations().current(); }

void use_kernels(std::string_view name) { implementations().use(implementations().named(name)); }

}  // namespace lmgc::model
