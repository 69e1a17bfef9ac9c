"""What a damaged, foreign or hostile payload does: it raises PayloadError of the right kind."""

import pytest
import torch
import xxhash

import lmgc_torch
from golden import CASES, FOLDER, golden_codec, golden_tensor, golden_values
from lmgc_torch import PayloadError
from tensors import to_bits

codec = lmgc_torch.Codec("fast")
HEADER = 35  # fixed part, docs/format.md


def sample(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(200, generator=torch.Generator().manual_seed(1)).to(dtype)


def kind_of(payload: bytes) -> str:
    with pytest.raises(PayloadError) as caught:
        codec.decode(torch.frombuffer(bytearray(payload), dtype=torch.uint8))
    return caught.value.kind


def with_checksum(payload: bytes) -> bytes:
    """The payload with the checksum that its bytes ask for."""
    checksum = xxhash.xxh3_64_intdigest(payload[24:]).to_bytes(8, "little")
    return payload[:8] + len(payload).to_bytes(8, "little") + checksum + payload[24:]


def bytes_of(tensor: torch.Tensor) -> bytes:
    return codec.encode(tensor).numpy().tobytes()


@pytest.mark.parametrize("compressible", [True, False])
def test_every_truncation_is_truncated(compressible: bool) -> None:
    payload = bytes_of(sample() if compressible else torch.rand(3))
    with pytest.raises(PayloadError) as caught:
        codec.decode(torch.empty(0, dtype=torch.uint8))
    assert caught.value.kind == "truncated"
    assert {kind_of(payload[:end]) for end in range(1, len(payload))} == {"truncated"}


def test_appended_bytes_are_corrupt() -> None:
    assert kind_of(bytes_of(sample()) + b"\0") == "corrupt"


def test_every_flipped_byte_is_found() -> None:
    payload = bytearray(bytes_of(sample()))
    for at in range(len(payload)):
        for mask in (0x01, 0x80):
            payload[at] ^= mask
            kind = kind_of(bytes(payload))
            payload[at] ^= mask
            if at < 6:
                assert kind == "version"
            elif 8 <= at < 16:  # the length
                assert kind in ("truncated", "corrupt")
            else:
                assert kind == "corrupt"


@pytest.mark.parametrize(
    ("at", "value", "kind"),
    [(32, 9, "preset"), (33, 200, "dtype"), (34, 17, "corrupt"), (34, 0, "corrupt")],
)
def test_header_fields_are_checked_even_with_a_right_checksum(
    at: int, value: int, kind: str
) -> None:
    payload = bytearray(bytes_of(sample()))
    payload[at] = value
    assert kind_of(with_checksum(bytes(payload))) == kind


def test_sizes_are_checked_before_memory_is_taken() -> None:
    payload = bytes_of(sample())
    size_bytes = 2  # 200 as a varint
    for size in (b"\xff\xff\xff\xff\xff\x3f", b"\xff" * 8 + b"\x7f", b"\xff" * 12):
        hostile = payload[:HEADER] + size + payload[HEADER + size_bytes :]
        assert kind_of(with_checksum(hostile)) == "corrupt"


def test_chunks_too_good_to_be_true_are_corrupt() -> None:
    """No code of 65,536 symbols is shorter than that of their first 16."""
    tensor = torch.zeros(65536, dtype=torch.uint8)
    payload = bytes_of(tensor)
    table = HEADER + 3  # size; then chunks, values, bytes of the code
    assert payload[table : table + 4] == b"\x01\x80\x80\x04"
    for coded in range(12):
        hostile = payload[: table + 4] + bytes([coded]) + payload[table + 5 :]
        assert kind_of(with_checksum(hostile)) == "corrupt"


def test_the_body_is_checked_even_with_a_right_checksum() -> None:
    payload = bytes_of(sample())
    for at in range(HEADER + 2, len(payload)):
        damaged = bytearray(payload)
        damaged[at] ^= 0x41
        kind = kind_of(with_checksum(bytes(damaged)))
        fingerprint = range(HEADER + 2, HEADER + 10)
        assert kind == "history" if at in fingerprint else kind in ("corrupt", "truncated")


def test_receivers_dtype_and_size_are_compared() -> None:
    payload = codec.encode(sample())
    for receiver, kind in ((torch.empty(200).half(), "dtype"), (torch.empty(199), "shape")):
        with pytest.raises(PayloadError) as caught:
            codec._codec.decode_into(payload, receiver)
        assert caught.value.kind == kind


def test_a_payload_is_a_flat_uint8_tensor() -> None:
    with pytest.raises(TypeError, match="a payload is a 1-D uint8 tensor"):
        codec.decode(torch.zeros(4, 4))


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("paper-")])
def test_golden_payloads(name: str) -> None:
    """Payloads of earlier builds decode, and are what this build writes."""
    payload = torch.frombuffer(bytearray((FOLDER / f"{name}.bin").read_bytes()), dtype=torch.uint8)
    golden, tensor = golden_codec(name, CASES[name]), golden_tensor(CASES[name])
    assert torch.equal(to_bits(golden.decode(payload)), to_bits(golden_values(name, CASES[name])))
    assert torch.equal(golden.encode(tensor), payload)
