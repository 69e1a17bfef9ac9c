#pragma once

#include <ATen/Parallel.h>

namespace lmgc {

/// A guard of calls that compute. OpenMP counts threads for each thread that starts some; at its
/// first question Torch tells this one what torch.set_num_threads said on another.
struct TorchThreads {
  TorchThreads() { static_cast<void>(at::get_num_threads()); }
};

}  // namespace lmgc
