"""Lossy stages: what they make of values, and that it is this which a payload holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lmgc_torch
from lmgc_torch import PayloadError, stages
from steps import averages
from tensors import to_bits

SHAPES = [(72, 65), (7,), (3, 4, 2), (0,), (130,)]
COUNT = sum(math.prod(shape) for shape in SHAPES)
ALL = [
    stages.Cast(torch.float16),
    stages.Cast(torch.bfloat16),
    *(stages.Quantize(bits, scale="row") for bits in range(1, 9)),
    stages.Quantize(4),
    stages.Quantize(3, scale="block", block=50),
    stages.Quantize(4, scale="row", rounding="stochastic"),
    stages.Quantize(1, rounding="stochastic"),
    stages.Sign(),
    stages.Sign("block", 33),
    stages.TopK(share=0.01),
    stages.TopK(count=3),
    stages.TopK(count=200, per="bucket"),
    stages.RandomK(share=0.05),
    stages.Threshold(0.5),
    stages.Threshold(1e30),
]
CHAINS: list[list[stages.Stage]] = [[stage] for stage in ALL]
CHAINS += [
    [stages.TopK(share=0.1), stages.Quantize(4)],
    [stages.RandomK(share=0.1), stages.Sign()],
    [stages.Threshold(1e30), stages.Quantize(4)],
    [stages.TopK(share=0.1, per="bucket"), stages.Cast()],
]


def gradient(seed: int, size: float = 1.0) -> torch.Tensor:
    """Of all SHAPES; the matrix is one of a layer's steps."""
    generator = torch.Generator().manual_seed(seed)
    matrix = averages(SHAPES[0], seed + 1)[seed].flatten() * 100
    others = torch.randn(COUNT - len(matrix), generator=generator)
    others[::5] = 0
    return torch.cat([matrix, others]) * size


def check_round_trip(codec: lmgc_torch.Codec, tensor: torch.Tensor) -> torch.Tensor:
    staged = codec.stage(tensor)
    payload = codec.encode(staged)
    assert torch.equal(to_bits(codec.decode(payload)), to_bits(staged.values))
    assert payload.numel() <= staged.values.nbytes + 64
    return payload


@pytest.mark.parametrize("chain", CHAINS, ids=str)
@pytest.mark.parametrize("preset", ["fast", "max"])
def test_payloads_hold_what_stages_made(chain: Sequence[stages.Stage], preset: str) -> None:
    codec = lmgc_torch.Codec(preset, shapes=SHAPES, stages=chain)
    alone = lmgc_torch.Codec(preset, stages=chain)
    for step in range(4):
        check_round_trip(alone, gradient(step))
        check_round_trip(codec, gradient(step))
        codec.observe(codec.stage(gradient(step)).values)


@st.composite
def finite(draw: st.DrawFn) -> torch.Tensor:
    """Any floats that are finite, often with zeros, denormals and the largest of all."""
    edges = st.sampled_from([0.0, -0.0, 1e-45, -1e-39, 2.0**-126, 3.4e38, -3.4e38, 1.0])
    floats = st.floats(width=32, allow_nan=False, allow_infinity=False) | edges
    return torch.tensor(draw(st.lists(floats, max_size=200)))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_many_zeros_make_the_way(bits: int, share: float) -> None:
    generator = torch.Generator().manual_seed(1)
    tensor = torch.randn(100, 300, generator=generator) ** 3
    tensor[torch.rand(tensor.shape, generator=generator) < share] = 0
    codec = lmgc_torch.Codec("fast", shapes=[tensor.shape], stages=[stages.Quantize(bits)])
    check_round_trip(codec, tensor.flatten())
    codec.observe(codec.stage(tensor).values)
    check_round_trip(codec, tensor.flatten() * 0.5)


@pytest.mark.parametrize("observed", [0, 3])
def test_sections_of_zeros_leave_other_rows_alone(observed: int) -> None:
    *past, last = averages((128, 96), 4)
    for top, bottom in ((0, 64), (8, 16), (32, 64), (64, 128)):
        tensor = last.clone()
        tensor[top:bottom] = 0
        for chain in ([stages.Quantize(8, scale="row")], []):
            codec = lmgc_torch.Codec("max", shapes=[(128, 96)], stages=chain)
            for step in past[:observed]:
                codec.observe(step)
            if chain:
                check_round_trip(codec, tensor)
            else:
                assert torch.equal(codec.decode(codec.encode(tensor)), tensor)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_few_values_among_zeros_make_the_way(bits: int) -> None:
    codec = lmgc_torch.Codec("fast", stages=[stages.Quantize(bits)])
    for count in range(1, 40):
        generator = torch.Generator().manual_seed(count)
        tensor = torch.cat([torch.ones(count), torch.zeros(256 - count)])
        for size in (-1.0, 1.0):
            check_round_trip(codec, size * tensor[torch.randperm(256, generator=generator)])


@settings(max_examples=300)
@given(tensor=finite(), chain=st.sampled_from(CHAINS), data=st.data())
def test_any_finite_values_make_the_way(
    tensor: torch.Tensor, chain: list[stages.Stage], data: st.DataObject
) -> None:
    half = data.draw(st.integers(0, len(tensor)))
    shapes = data.draw(st.sampled_from([[tensor.shape], [(half,), (len(tensor) - half,)]]))
    codec = lmgc_torch.Codec("fast", shapes=shapes, stages=chain)
    try:
        check_round_trip(codec, tensor)
    except ValueError as error:
        assert chain[-1] == stages.Cast(torch.float16) or "bfloat16" in str(chain[-1])
        assert "beyond the range" in str(error)


@given(data=st.data(), chain=st.sampled_from(CHAINS))
def test_damaged_payloads_raise_or_hold_other_values(
    data: st.DataObject, chain: list[stages.Stage]
) -> None:
    codec = lmgc_torch.Codec("fast", shapes=SHAPES, stages=chain)
    payload = codec.encode(gradient(1)).clone()
    for _ in range(3):
        payload[data.draw(st.integers(35, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    payload = payload[: data.draw(st.integers(36, len(payload)))]
    with pytest.raises(PayloadError):
        codec.decode(sealed(payload))


def sealed(payload: torch.Tensor) -> torch.Tensor:
    """With the length and checksum that its bytes ask for."""
    import xxhash

    bytes_ = payload.numpy().tobytes()
    checksum = xxhash.xxh3_64_intdigest(bytes_[24:]).to_bytes(8, "little")
    whole = bytes_[:8] + len(bytes_).to_bytes(8, "little") + checksum + bytes_[24:]
    return torch.frombuffer(bytearray(whole), dtype=torch.uint8)


@pytest.mark.parametrize("bits", range(2, 9))
def test_quantized_values_are_the_nearest_multiples_of_their_rows_steps(bits: int) -> None:
    matrix = gradient(2)[: 72 * 65].view(72, 65)
    made = stages.Quantize(bits, scale="row").apply(matrix)
    most = 2 ** (bits - 1) - 1
    step = matrix.abs().amax(1, keepdim=True) / most
    assert ((made - matrix).abs() <= step * (0.5 * 17 / 16 + 1e-6)).all()
    codec = lmgc_torch.Codec("fast", shapes=[(72, 65)], stages=[stages.Quantize(bits, "row")])
    staged = codec.stage(matrix)
    assert staged.integers is not None and staged.steps is not None
    assert staged.integers.abs().max() == most and staged.steps.shape == (72,)
    exact = (staged.steps.int() << 19).view(torch.float32)
    assert (exact >= step.flatten()).all() and (exact <= step.flatten() * 17 / 16).all()
    assert torch.equal(made, staged.integers.view(72, 65) * exact[:, None])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_stochastic_rounding_has_the_values_mean_and_follows_its_seed(bits: int) -> None:
    stage = stages.Quantize(bits, rounding="stochastic")
    values = torch.linspace(-1, 1, 21)
    draws = torch.stack([stage.apply(values, seed=seed) for seed in range(3000)])
    step = 17 / 16 / (2 ** (bits - 1) - 1 if bits > 1 else 1)
    assert (draws.mean(0) - values).abs().max() < 5 * step / math.sqrt(3000)
    assert torch.equal(stage.apply(values, seed=5), draws[5])
    assert not torch.equal(draws[5], draws[6])


def test_signs_have_the_mean_size_and_zeros_stay() -> None:
    tensor = gradient(3)[:4680].view(72, 65).clone()
    tensor[5] = 0
    made = stages.Sign("row").apply(tensor)
    assert torch.equal(made.sign(), tensor.sign())
    mean = tensor.abs().mean(1)
    assert ((made.abs().amax(1) - mean).abs() <= mean / 16).all()


def test_the_largest_values_are_kept_of_each_parameter_or_of_all() -> None:
    tensor = gradient(4)
    for per, chosen in (
        ("tensor", tensor.split([math.prod(s) for s in SHAPES])),
        ("bucket", [tensor]),
    ):
        codec = lmgc_torch.Codec("fast", shapes=SHAPES, stages=[stages.TopK(0.02, per=per)])
        made = codec.stage(tensor).values.split([len(part) for part in chosen])
        for part, kept in zip(chosen, made, strict=True):
            count = math.ceil(0.02 * len(part))
            assert torch.equal(kept.abs().sort().values[-count:], part.abs().sort().values[-count:])
            assert kept.count_nonzero() <= count
            assert torch.equal(kept[kept != 0], part[kept != 0])


def test_random_places_are_not_sent_and_change_at_each_call() -> None:
    tensor = torch.randn(20_000)
    codec, other = (
        lmgc_torch.Codec("fast", stages=[stages.RandomK(share=0.1)], seed=3) for _ in range(2)
    )
    first, second = codec.stage(tensor), codec.stage(tensor)
    assert first.kept is not None and second.kept is not None
    assert len(first.kept) == 2000 and not torch.equal(first.kept, second.kept)
    assert torch.equal(other.stage(-tensor).kept, first.kept)
    assert codec.encode(first).numel() < 2000 * 4
    shares = torch.zeros(20_000)
    for _ in range(200):
        shares[codec.stage(tensor).kept] += 1
    assert shares.mean() == 20 and 3.5 < shares.std() < 5  # binomial: 4.24


@pytest.mark.parametrize("bits", [3, 4, 8])
def test_history_makes_integers_cost_less(bits: int) -> None:
    steps = averages((200, 150), 8)
    sizes = []
    for observed in (0, 7):
        codec = lmgc_torch.Codec(
            "fast", shapes=[(200, 150)], stages=[stages.Quantize(bits, scale="row")]
        )
        for step in steps[:observed]:
            codec.observe(codec.stage(step).values)
        sizes.append(codec.encode(steps[-1]).numel())
    assert sizes[1] < 0.9 * sizes[0] < 0.9 * 200 * 150 * bits / 8


def test_the_bytes_do_not_depend_on_threads() -> None:
    tensor = torch.randn(3000, 100)
    threads = torch.get_num_threads()
    payloads = []
    for count in (1, 3):
        torch.set_num_threads(count)
        codec = lmgc_torch.Codec("fast", shapes=[tensor.shape], stages=[stages.Quantize(4, "row")])
        payloads.append(codec.encode(tensor))
    torch.set_num_threads(threads)
    assert torch.equal(*payloads)


def test_values_that_are_not_finite_are_refused_by_the_parameters_number() -> None:
    codec = lmgc_torch.Codec("fast", shapes=SHAPES, stages=[stages.Quantize(4)])
    for bad in (math.nan, math.inf):
        tensor = gradient(0)
        tensor[72 * 65 + 3] = bad
        with pytest.raises(ValueError, match="parameter 1 has a NaN or an infinity"):
            codec.encode(tensor)
    with pytest.raises(ValueError, match="beyond the range of Half"):
        stages.Cast(torch.float16).apply(torch.tensor([1e6]))


def test_options_are_refused_with_those_that_exist() -> None:
    for make, message in (
        (lambda: stages.Quantize(9), "quantization to 9 bits; use 1 to 8"),
        (lambda: stages.Quantize(4, scale="column"), "unknown scale 'column'; use one of tensor"),
        (lambda: stages.Quantize(4, rounding="up"), "unknown rounding 'up'"),
        (lambda: stages.Quantize(4, scale="block", block=0), "blocks of 0 values"),
        (lambda: stages.Cast(torch.float64), "a cast to Double; use float16 or bfloat16"),
        (lambda: stages.TopK(), "top-k takes a count of at least 1 or a share"),
        (lambda: stages.TopK(share=2.0), "top-k with a share of 2"),
        (lambda: stages.TopK(0.1, per="rank"), "unknown per 'rank'"),
        (lambda: stages.RandomK(share=-0.5), "random-k with a share of -0.5"),
        (lambda: stages.Threshold(0), "a threshold of 0; use one above 0"),
        (
            lambda: lmgc_torch.Codec(stages=[stages.Sign(), stages.TopK(0.1)]),
            "first choose, then quantize",
        ),
        (lambda: lmgc_torch.Codec(stages=[stages.Sign(), stages.Cast()]), "at most one stage"),
        (lambda: lmgc_torch.Codec().stage(torch.ones(3)), "the codec has no stages"),
    ):
        with pytest.raises(ValueError, match=message):
            make()
    with pytest.raises(TypeError, match="is no stage"):
        lmgc_torch.Codec(stages=["top_k"])  # type: ignore[list-item]
