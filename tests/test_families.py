"""Each family in both formats: the float model's probabilities, the same bits however asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import lmgc_torch
from exactness import all_equal, restored  # noqa: F401  restored: threads and kernels
from lmgc_torch import _C
from lmgc_torch.conversion import convert
from lmgc_torch.model import load_language_model
from random_families import FAMILIES, Family, random_family, vocabulary, write_folder, write_gguf


@dataclass(frozen=True)
class Written:
    family: Family
    folder: Path
    gguf: Path
    reference: torch.nn.Module
    model: _C.LanguageModel


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def written(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Written]:
    family = request.param
    folder = tmp_path_factory.mktemp(family.name)
    reference = random_family(family)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LMGC_CACHE", str(folder / "cache"))
        write_folder(folder / "model", family, reference)
        yield Written(
            family,
            folder / "model",
            write_gguf(folder / "model.gguf", family, reference),
            reference,
            load_language_model(folder / "model"),
        )


def random_tokens(written: Written, lanes: int, steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    size = written.model.architecture["vocabulary"]
    return torch.randint(0, int(size), (lanes, steps), generator=generator, dtype=torch.int32)


def test_cross_entropy_follows_the_float_model(written: Written) -> None:
    """The exact expectation of the cross-entropy, over texts that the float model writes."""
    model = written.model
    assert model.context == written.family.context
    tokens = random_tokens(written, 4, model.context)
    everything = model.readout(torch.arange(model.architecture["vocabulary"], dtype=torch.int32))
    scores = model.extend(model.cache(4, model.context), tokens, everything)
    ours = (scores.double() / 65536).log_softmax(2)
    with torch.inference_mode():
        floats = written.reference(tokens.long()).logits.double().log_softmax(2)
    entropy = -(floats.exp() * floats).sum(2).mean()
    cross_entropy = -(floats.exp() * ours).sum(2).mean()
    print(f"{written.family.name}: {entropy:.3f} nats, {cross_entropy / entropy - 1:.2%} more")
    assert entropy < 0.85 * torch.tensor(float(floats.shape[2])).log()  # else it proves nothing
    assert 0 <= cross_entropy / entropy - 1 < 0.02


def test_both_formats_give_one_model(written: Written) -> None:
    folder, file = convert(written.folder), convert(written.gguf)
    assert folder.architecture == file.architecture
    assert folder.tensors.keys() == file.tensors.keys()
    for name, values in folder.tensors.items():
        assert torch.equal(values, file.tensors[name]), name
    assert folder.fingerprint == file.fingerprint


def test_bytes_have_their_own_tokens(written: Written) -> None:
    ids = vocabulary(written.family.byte_level)
    tokens = written.model.byte_tokens
    assert [tokens[byte] for byte in b"09af;x"] == [ids[text] for text in "09af;x"]
    if not written.family.byte_level:
        assert tokens[0x20] == ids["\u2581"]
        assert tokens[0xE9] == ids["\u00e9"]  # a Latin-1 character, else the byte
        assert tokens[0xE8] == ids["<0xE8>"]
    assert written.model.begin_token == ids["<s>"]


def test_windows_steps_lanes_threads_and_kernels_agree(written: Written) -> None:
    expected = all_equal(
        written.model, random_tokens(written, 3, 40), [[40], [1] * 40, [7, 1, 30, 2]]
    )
    assert expected.unique().numel() > 1000


def test_payloads_decode(written: Written) -> None:
    codec = lmgc_torch.Codec("paper", model=str(written.folder), window=32)
    values = torch.cat([torch.zeros(3), torch.randn(20), torch.tensor([torch.nan, -0.0])])
    payload = codec.encode(values, raw_fallback=False)
    other = lmgc_torch.Codec("paper", model=str(written.gguf), window=32)
    assert torch.equal(other.decode(payload).view(torch.int32), values.view(torch.int32))
