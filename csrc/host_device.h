#pragma once

/// Marks what CPU code and CUDA kernels share: one source for every formula.
#ifdef __CUDACC__
#define LMGC_HOST_DEVICE __host__ __device__
#else
#define LMGC_HOST_DEVICE
#endif
