"""How fast the language model's engine is: python benchmarks/engine.py [--device cuda].

Next to what the machine could do (its fastest int8 matrix product, measured here) and to
transformers on the same model and windows: tokens a second in teacher-forced windows, as encode has
them, and in lockstep, as decode has them; then bytes a second of whole payloads, each decoded and
compared. Writes engine-DEVICE.json, .md and .png.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress

import lmgc_torch
from engine_report import Decoding, Encoding, Payload, Report, draw, markdown
from environment import environment
from gradients import record
from lmgc_torch import _C
from lmgc_torch.model import find_model, load_language_model

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "transformers", "lmgc_torch")
SYMBOLS = 16  # of the readout, as hex text has them
WINDOWS = {"cpu": (256, 512, 1024, 2048), "cuda": (128, 256, 512, 1024, 2048)}
ENCODED_TOKENS = {"cpu": 4096, "cuda": 131072}  # of a call
LOCKSTEP = {  # lanes, window
    "cpu": ((1, 512), (8, 512), (64, 512), (256, 512)),
    "cuda": ((64, 512), (1024, 512), (4096, 512), (8192, 256), (16384, 128)),
}
PAYLOADS = {  # serialization, window
    "cpu": (("hex", 512), ("hex-space", 512), ("iso8859", 512)),
    "cuda": (
        ("hex", 512),
        ("hex-space", 512),
        ("iso8859", 512),
        ("iso8859", 256),
        ("iso8859", 128),
    ),
}
PAYLOAD_VALUES = {"cpu": 1024, "cuda": 1 << 20}
PEER_WINDOW = 512
DECODED_STEPS = 6
ROUNDS = 5


class Clock:
    """Medians of seconds, the device's work included."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def once(self, action: Callable[[], object]) -> float:
        start = time.perf_counter()
        action()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - start

    def median(self, action: Callable[[], object], rounds: int = ROUNDS) -> float:
        self.once(action)
        return statistics.median(self.once(action) for _ in range(rounds))


def product_peak(clock: Clock) -> tuple[float, str]:
    """int8 multiply-adds a second, and by which product."""

    def codes(rows: int, columns: int) -> torch.Tensor:
        return torch.randint(-127, 128, (rows, columns), dtype=torch.int8, device=clock.device)

    rows, columns, depth = (8192,) * 3 if clock.device.type == "cuda" else (2048, 2048, 2048)
    left, right = codes(rows, depth), codes(columns, depth)
    products: dict[str, Callable[[], object]] = {
        "torch._int_mm": lambda: torch._int_mm(left, right.t())
    }
    if clock.device.type == "cpu":
        path = _C.gemm_path()
        products[f"lmgc_torch {path}"] = lambda: _C.gemm_int8(left, right, path)
    rates = {name: rows * columns * depth / clock.median(run, 9) for name, run in products.items()}
    best = max(rates, key=lambda name: rates[name])
    return rates[best], best


def products_per_token(a: dict[str, Any], context: float) -> float:
    """Multiply-adds of a token's matrices, and of its attention to `context` tokens."""
    attention = a["heads"] * a["head_width"]
    matrices = a["width"] * (2 * attention + 2 * a["kv_heads"] * a["head_width"])
    matrices += 3 * a["width"] * a["feed_forward"]
    return float(a["layers"] * (matrices + 2 * attention * context) + a["width"] * SYMBOLS)


class Engine:
    """Ours, on a device."""

    def __init__(self, device: torch.device) -> None:
        self.model: Any = load_language_model(device=device)
        self.device = device
        self.readout = self.model.readout(torch.arange(SYMBOLS, dtype=torch.int32))
        self.architecture: dict[str, Any] = self.model.architecture

    def tokens(self, lanes: int, steps: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(lanes * steps)
        shape = (lanes, steps)
        tokens = torch.randint(SYMBOLS, shape, dtype=torch.int32, generator=generator)
        return tokens.to(self.device)

    def encode(self, lanes: int, window: int) -> Callable[[], object]:
        tokens = self.tokens(lanes, window)
        return lambda: self.model.extend(self.model.cache(lanes, window), tokens, self.readout)

    def decode_s(self, lanes: int, window: int, clock: Clock) -> float:
        """Seconds a step in the middle of a window; that each tile of keys is begun is left out."""
        cache = self.model.cache(lanes, window)
        middle = window // 2
        self.model.extend(
            cache, self.tokens(lanes, middle), self.readout, [False] * (middle - 1) + [True]
        )
        tokens = self.tokens(lanes, 1)
        if self.device.type == "cuda":
            lockstep = self.model.lockstep(cache, self.readout)
            return clock.median(lambda: lockstep.step(tokens[:, 0]), rounds=DECODED_STEPS)
        return clock.median(
            lambda: self.model.extend(cache, tokens, self.readout), rounds=DECODED_STEPS
        )


def encodings(engine: Engine, clock: Clock, peak: float, progress: Progress) -> list[Encoding]:
    device = engine.device.type
    windows = WINDOWS[device]
    task = progress.add_task("windows", total=len(windows))
    results = []
    for window in windows:
        lanes = ENCODED_TOKENS[device] // window
        seconds = clock.median(engine.encode(lanes, window))
        rate = lanes * window / seconds
        products = products_per_token(engine.architecture, (window + 1) / 2)
        results.append(Encoding(window, lanes, rate, rate * products / peak))
        progress.advance(task)
    return results


def decodings(engine: Engine, clock: Clock, progress: Progress) -> list[Decoding]:
    cases = LOCKSTEP[engine.device.type]
    task = progress.add_task("lockstep", total=len(cases))
    results = []
    for lanes, window in cases:
        seconds = engine.decode_s(lanes, window, clock)
        results.append(Decoding(lanes, window, lanes / seconds))
        progress.advance(task)
    return results


def peer_encodings(device: torch.device, clock: Clock, progress: Progress) -> dict[str, float]:
    """Tokens a second of transformers, by dtype, in windows of PEER_WINDOW tokens."""
    from transformers import AutoModelForCausalLM

    file = find_model()
    dtypes = (torch.float32, torch.bfloat16)
    task = progress.add_task("transformers", total=len(dtypes))
    rates = {}
    lanes = max(1, ENCODED_TOKENS[device.type] // PEER_WINDOW // 4)
    for dtype in dtypes:
        model: Any = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=dtype
        )
        model = model.to(device)
        tokens = torch.randint(SYMBOLS, (lanes, PEER_WINDOW), device=device)

        def run(model: Any = model, tokens: torch.Tensor = tokens) -> None:
            with torch.inference_mode():
                model(tokens, logits_to_keep=1, use_cache=False)

        rates[str(dtype).removeprefix("torch.")] = tokens.numel() / clock.median(run, rounds=3)
        del model
        gc.collect()
        progress.advance(task)
    return rates


def payloads(device: torch.device, progress: Progress) -> list[Payload]:
    """Whole payloads of real gradients."""
    gradient = torch.from_numpy(record("ConvNet").gradients.reshape(-1).copy())
    count = PAYLOAD_VALUES[device.type]
    gradient = gradient.repeat(-(-count // gradient.numel()))[:count]
    cases = PAYLOADS[device.type]
    task = progress.add_task("payloads", total=len(cases))
    results = []
    for name, window in cases:
        codec = lmgc_torch.Codec("paper", serialization=name, window=window, device=str(device))
        codec.encode(gradient[:256])
        start = time.perf_counter()
        payload = codec.encode(gradient, raw_fallback=False)
        encoded = time.perf_counter()
        decoded = codec.decode(payload)
        end = time.perf_counter()
        if not torch.equal(decoded.view(torch.int32), gradient.view(torch.int32)):
            raise RuntimeError(f"{name} changes the gradient")
        raw = gradient.nbytes
        results.append(
            Payload(
                name, window, raw, payload.numel(), raw / (encoded - start), raw / (end - encoded)
            )
        )
        progress.advance(task)
    return results


def thread_scaling(engine: Engine, clock: Clock) -> dict[int, float]:
    """Tokens a second of encode by threads, on the CPU."""
    most = torch.get_num_threads()
    rates = {}
    for threads in sorted({1, *(2**i for i in range(1, 8) if 2**i < most), most}):
        torch.set_num_threads(threads)
        rates[threads] = 2048 / clock.median(engine.encode(4, 512))
    torch.set_num_threads(most)
    return rates


def write(report: Report, folder: Path, console: Console) -> None:
    text = markdown(report)
    console.print(text)
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"engine-{'cpu' if report.device == 'cpu' else 'cuda'}"
    facts = {"environment": environment(PACKAGES), **asdict(report)}
    stem.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n")
    stem.with_suffix(".md").write_text(text)
    draw(report, stem.with_suffix(".png"))
    console.print(f"{stem}.json, .md and .png written.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--no-peer", action="store_true", help="leave transformers out")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the results go")
    options = parser.parse_args()
    device = torch.device(options.device)
    console, clock = Console(), Clock(device)
    engine = Engine(device)
    peak, peak_name = product_peak(clock)
    with Progress(console=console) as progress:
        report = Report(
            device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            kernels="cuda" if device.type == "cuda" else _C.gemm_path(),
            threads=torch.get_num_threads(),
            peak_products_per_s=peak,
            peak_by=peak_name,
            encodings=encodings(engine, clock, peak, progress),
            decodings=decodings(engine, clock, progress),
            payloads=payloads(device, progress),
            peer_window=PEER_WINDOW,
            transformers_tokens_per_s={},
            tokens_per_s_by_threads=thread_scaling(engine, clock) if device.type == "cpu" else {},
        )
        write(report, options.output, console)  # the peer takes long, and may fail
        if not options.no_peer:
            rates = peer_encodings(device, clock, progress)
            write(replace(report, transformers_tokens_per_s=rates), options.output, console)


if __name__ == "__main__":
    main()
