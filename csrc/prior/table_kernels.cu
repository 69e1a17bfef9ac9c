#include "model/cuda/enqueue.cuh"
#include "prior/table_launch.h"
#include "prior/warp_table.cuh"

/// What is done with the table of a row of scores, by a warp a row.
namespace lmgc::prior {
namespace {

using model::cuda::kWarp;
constexpr unsigned kWarps = 4;  // of a block

[[nodiscard]] __device__ std::size_t row_of_warp() {
  return std::size_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
}

__global__ void frequencies_kernel(const std::int32_t* scores, std::size_t rows, int alphabet,
                                   std::uint32_t* cumulative) {
  model::cuda::let_next_start();
  model::cuda::wait_for_earlier();
  const std::size_t row = row_of_warp();
  if (row >= rows) return;
  const auto symbols = static_cast<std::size_t>(alphabet);
  std::uint32_t* const to = cumulative + row * (symbols + 1);
  WarpTable(scores + row * symbols, alphabet).for_intervals([&](int symbol, Interval interval) {
    to[symbol] = interval.cumulative;
  });
  if (model::cuda::lane_of_warp() == 0) to[alphabet] = kTotalFrequency;
}

__global__ void intervals_kernel(const std::int32_t* scores, const std::uint16_t* symbols,
                                 std::size_t rows, int alphabet, Interval* intervals) {
  model::cuda::let_next_start();
  model::cuda::wait_for_earlier();
  const std::size_t row = row_of_warp();
  if (row >= rows) return;
  WarpTable(scores + row * static_cast<std::size_t>(alphabet), alphabet)
      .for_intervals([&](int symbol, Interval interval) {
        if (symbol == symbols[row]) intervals[row] = interval;
      });
}

__global__ void decode_kernel(const std::int32_t* scores, std::size_t rows, int alphabet,
                              const CodedRows code, const Decoded decoded) {
  model::cuda::let_next_start();
  model::cuda::wait_for_earlier();
  const std::size_t row = row_of_warp();
  if (row >= rows) return;
  const WarpTable table(scores + row * static_cast<std::size_t>(alphabet), alphabet);
  coder::RangeDecoder decoder =
      decoded.at == 0
          ? coder::RangeDecoder(code.bytes + code.ends[row], code.bytes + code.ends[row + 1])
          : code.decoders[row];
  const std::uint32_t target = decoder.target();
  __syncwarp();  // all have read the decoder

  table.for_intervals([&](int symbol, Interval interval) {  // of one thread, one holds it
    if (target - interval.cumulative >= interval.frequency) return;
    decoder.take(interval);
    code.decoders[row] = decoder;
    const auto index = static_cast<std::int64_t>(row);
    decoded.symbols[index * decoded.run + decoded.at] = static_cast<std::uint16_t>(symbol);
    std::int32_t* const tokens = decoded.tokens + index * (1 + decoded.between_count);
    tokens[0] = decoded.symbol_tokens[symbol];
    for (std::int64_t i = 0; i < decoded.between_count; ++i) tokens[1 + i] = decoded.between[i];
  });
}

template <typename... Parameters, typename... Arguments>
void enqueue_rows(void (*kernel)(Parameters...), std::size_t rows, void* stream,
                  const Arguments&... arguments) {
  if (rows == 0) return;
  model::cuda::enqueue(kernel,
                       {dim3(static_cast<unsigned>((rows + kWarps - 1) / kWarps)), kWarps * kWarp},
                       stream, arguments...);
}

}  // namespace

void launch_frequencies(const std::int32_t* scores, std::size_t rows, std::size_t alphabet,
                        std::uint32_t* cumulative, void* stream) {
  enqueue_rows(frequencies_kernel, rows, stream, scores, rows, static_cast<int>(alphabet),
               cumulative);
}

void launch_intervals(const std::int32_t* scores, const std::uint16_t* symbols, std::size_t rows,
                      std::size_t alphabet, Interval* intervals, void* stream) {
  enqueue_rows(intervals_kernel, rows, stream, scores, symbols, rows, static_cast<int>(alphabet),
               intervals);
}

void launch_decode(const std::int32_t* scores, std::size_t rows, std::size_t alphabet,
                   const CodedRows& code, const Decoded& decoded, void* stream) {
  enqueue_rows(decode_kernel, rows, stream, scores, rows, static_cast<int>(alphabet), code,
               decoded);
}

}  // namespace lmgc::prior
