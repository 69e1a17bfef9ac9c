#include "collective/agreement.h"

#include <ATen/Functions.h>

#include "collective/wait.h"

namespace lmgc::collective {

std::vector<std::int64_t> largest(const Members& members, const std::vector<std::int64_t>& numbers,
                                  const std::stop_token& stop) {
  std::vector<at::Tensor> tensors{at::tensor(numbers, at::kLong)};
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  wait(members.group->allreduce(tensors, options), stop);
  const auto* data = tensors.front().const_data_ptr<std::int64_t>();
  return {data, data + numbers.size()};
}

}  // namespace lmgc::collective
