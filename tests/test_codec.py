"""Round trips, limits and errors of the codec, under `fast`."""

import pytest
import torch
import xxhash
from hypothesis import given
from hypothesis import strategies as st

import lmgc_torch
from tensors import DTYPES, tensors, to_bits

codec = lmgc_torch.Codec("fast")


@given(tensor=tensors())
def test_decode_inverts_encode(tensor: torch.Tensor) -> None:
    payload = codec.encode(tensor)
    decoded = codec.decode(payload)
    assert decoded.dtype == tensor.dtype
    assert decoded.shape == tensor.shape
    assert torch.equal(to_bits(decoded), to_bits(tensor))
    assert payload.numel() <= tensor.nbytes + 64
    longer = codec.encode(tensor, raw_fallback=False)
    assert torch.equal(to_bits(codec.decode(longer)), to_bits(tensor))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 65536, 65537, 200_000])
def test_round_trip_at_block_boundaries(dtype: torch.dtype, count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    tensor = (torch.randn(count, generator=generator, dtype=torch.float64) * 30).to(dtype)
    decoded = codec.decode(codec.encode(tensor))
    assert torch.equal(to_bits(decoded), to_bits(tensor))


def test_views_and_negated_views_are_encoded_as_they_read() -> None:
    tensor = torch.randn(40, 30)
    negated = torch.view_as_complex(torch.randn(50, 2)).conj().imag
    assert negated.is_neg()
    for view in (tensor.t(), tensor[::2, 1:], tensor.expand(3, 40, 30), negated):
        assert torch.equal(codec.decode(codec.encode(view)), view)


def test_integers_shrink_to_the_entropy_of_their_top_bytes() -> None:
    values = (torch.randn(200_000, generator=torch.Generator().manual_seed(0)) * 2**27).int()
    share = torch.bincount((values >> 24) + 128).double() / len(values)
    entropy = -(share[share > 0] * share[share > 0].log2()).sum().item()
    bits = codec.encode(values).numel() * 8 / len(values)
    assert 24 + entropy < bits < 24 + entropy + 0.02


@given(lengths=st.lists(st.integers(0, 300), min_size=1, max_size=6), data=st.data())
def test_shapes_divide_the_tensor(lengths: list[int], data: st.DataObject) -> None:
    tensor = torch.randn(sum(lengths))
    divided = lmgc_torch.Codec("fast", shapes=[(length,) for length in lengths])
    assert torch.equal(divided.decode(divided.encode(tensor)), tensor)
    with pytest.raises(ValueError, match="parameters of"):
        divided.encode(torch.randn(sum(lengths) + 1))


def test_the_encoded_bytes_do_not_depend_on_threads() -> None:
    tensor = torch.randn(300_000)
    divided = lmgc_torch.Codec("fast", shapes=[(1000,), (299, 1000)])
    threads = torch.get_num_threads()
    payloads = []
    for count in (1, 2, 5):
        torch.set_num_threads(count)
        payloads.append(divided.encode(tensor))
    torch.set_num_threads(threads)
    assert all(torch.equal(payloads[0], other) for other in payloads)


def test_checksums_are_xxh3() -> None:
    tensor = torch.arange(1000, dtype=torch.float32)
    payload = codec.encode(tensor).numpy().tobytes()
    assert int.from_bytes(payload[16:24], "little") == xxhash.xxh3_64_intdigest(payload[24:])
    assert int.from_bytes(payload[24:32], "little") == xxhash.xxh3_64_intdigest(
        tensor.numpy().tobytes()
    )


@pytest.mark.parametrize("dtype", [torch.complex64, torch.bool, torch.float8_e4m3fn])
def test_other_dtypes_are_refused_by_name(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match="is not supported; use float32"):
        codec.encode(torch.zeros(3).to(dtype))


def test_sparse_tensors_are_refused() -> None:
    with pytest.raises(TypeError, match="pass a dense tensor"):
        codec.encode(torch.eye(3).to_sparse())


def test_options_are_refused_with_those_that_exist() -> None:
    with pytest.raises(
        ValueError, match="unknown preset 'zip'; use one of fast, balanced, max, paper"
    ):
        lmgc_torch.Codec("zip")
    with pytest.raises(ValueError, match="unknown serialization 'base64'"):
        lmgc_torch.Codec("paper", serialization="base64")
    with pytest.raises(ValueError, match="use 1 to 8"):
        lmgc_torch.Codec("paper", bytes_per_group=9)


def test_tensors_without_memory_are_refused() -> None:
    with pytest.raises(TypeError, match="clone it first"):
        codec.encode(torch._efficientzerotensor(3))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU: CUDA tensors are not tried here")
def test_cuda_tensors_go_over_the_host() -> None:
    tensor = torch.randn(1000)
    payload = codec.encode(tensor.cuda())
    assert payload.is_cuda
    assert torch.equal(payload.cpu(), codec.encode(tensor))
    assert torch.equal(codec.decode(payload).cpu(), tensor)
    received = torch.empty(1000, device="cuda")
    codec._codec.decode_into(payload, received)
    assert torch.equal(received.cpu(), tensor)
