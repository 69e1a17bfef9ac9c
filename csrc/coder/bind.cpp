#include "coder/bind.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <string>
#include <vector>

#include "coder/rans.h"

namespace py = pybind11;

namespace lmgc::coder {
namespace {

template <typename Element>
std::span<const Element> elements(const at::Tensor& tensor) {
  TORCH_CHECK_VALUE(tensor.dim() == 1 && tensor.is_contiguous() && tensor.device().is_cpu() &&
                        tensor.scalar_type() == c10::CppTypeToScalarType<Element>::value,
                    "lmgc::coder: a contiguous 1-D CPU tensor of ",
                    c10::CppTypeToScalarType<Element>::value, " expected, got ", tensor.toString(),
                    tensor.sizes());
  return {tensor.const_data_ptr<Element>(), static_cast<std::size_t>(tensor.numel())};
}

template <typename Element>
at::Tensor tensor_of(std::span<const Element> values) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())},
                                c10::CppTypeToScalarType<Element>::value);
  std::copy(values.begin(), values.end(), tensor.mutable_data_ptr<Element>());
  return tensor;
}

at::Tensor bytes_tensor(std::span<const std::byte> bytes) {
  return tensor_of<std::uint8_t>(
      {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

template <typename Narrow>
std::vector<Narrow> narrowed(const at::Tensor& tensor) {
  const auto values = elements<std::int64_t>(tensor);
  std::vector<Narrow> narrow(values.size());
  std::transform(values.begin(), values.end(), narrow.begin(), [](std::int64_t value) {
    TORCH_CHECK_VALUE(value >= 0 && value <= std::numeric_limits<Narrow>::max(),
                      "lmgc::coder: ", value, " is not within 0 to ",
                      std::numeric_limits<Narrow>::max());
    return static_cast<Narrow>(value);
  });
  return narrow;
}

RansTables tables_of(const at::Tensor& counts) {
  TORCH_CHECK_VALUE(counts.dim() == 2, "lmgc::coder: counts are [contexts, alphabet], got ",
                    counts.sizes());
  std::vector<std::uint16_t> frequencies;
  for (std::int64_t context = 0; context < counts.size(0); ++context) {
    const auto row = rans_frequencies(narrowed<std::uint32_t>(counts[context]));
    frequencies.insert(frequencies.end(), row.begin(), row.end());
  }
  return {frequencies, static_cast<std::size_t>(counts.size(1))};
}

at::Tensor encode(const at::Tensor& symbols, const at::Tensor& contexts, const at::Tensor& counts,
                  const std::string& path, std::vector<std::size_t> blocks) {
  if (blocks.empty()) blocks.push_back(static_cast<std::size_t>(symbols.numel()));
  const auto own_symbols = elements<std::uint8_t>(symbols);
  const auto own_contexts = narrowed<std::uint8_t>(contexts);
  TORCH_CHECK_VALUE(own_symbols.size() == own_contexts.size(), "lmgc::coder: ", own_symbols.size(),
                    " symbols with ", own_contexts.size(), " contexts");
  std::vector<std::uint16_t> cells(own_symbols.size());
  std::ranges::transform(own_contexts, own_symbols, cells.begin(), cell_of);
  Buffer<std::byte> room;
  return bytes_tensor(rans_encode(tables_of(counts), cells, blocks, room, rans_kernels(path)));
}

at::Tensor decode(const at::Tensor& chunk, const at::Tensor& contexts, const at::Tensor& counts,
                  const std::string& path, std::vector<std::size_t> blocks) {
  const RansTables tables = tables_of(counts);
  const std::vector<std::uint16_t> all = narrowed<std::uint16_t>(contexts);
  std::vector<std::uint8_t> symbols(all.size());
  if (blocks.empty()) blocks.push_back(all.size());
  RansDecoder decoder(tables, std::as_bytes(elements<std::uint8_t>(chunk)), all.size(),
                      rans_kernels(path));
  std::size_t begin = 0;
  for (const std::size_t block : blocks) {
    TORCH_CHECK_VALUE(block <= all.size() - begin, "lmgc::coder: blocks exceed the contexts");
    decoder.decode(std::span(all).subspan(begin, block), std::span(symbols).subspan(begin, block));
    begin += block;
  }
  decoder.finish();
  return tensor_of<std::uint8_t>(symbols);
}

}  // namespace

void bind(py::module_& m) {
  py::register_exception<StreamError>(m, "StreamError", PyExc_ValueError);
  m.def("rans_paths", [] {
    std::vector<std::string> names;
    for (const RansKernels* usable : usable_rans_kernels()) names.emplace_back(usable->name);
    return names;
  });
  m.def("rans_path", [] { return std::string(rans_kernels().name); });
  m.def("set_rans_path", [](const std::string& name) { use_rans_kernels(name); }, py::arg("name"));
  m.def(
      "rans_frequencies",
      [](const at::Tensor& counts) {
        const auto frequencies = rans_frequencies(narrowed<std::uint32_t>(counts));
        const std::vector<std::int64_t> wide(frequencies.begin(), frequencies.end());
        return tensor_of<std::int64_t>(wide);
      },
      py::arg("counts"));
  m.def("rans_encode", &encode, py::arg("symbols"), py::arg("contexts"), py::arg("counts"),
        py::arg("path"), py::arg("blocks") = std::vector<std::size_t>());
  m.def("rans_decode", &decode, py::arg("chunk"), py::arg("contexts"), py::arg("counts"),
        py::arg("path"), py::arg("blocks") = std::vector<std::size_t>());
}

}  // namespace lmgc::coder
