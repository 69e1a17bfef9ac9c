"""Next-token cross-entropy and speed of our int8 engine against transformers in float32.

Both read the same GGUF file or Hugging Face folder. Needs transformers and accelerate
(benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import datetime
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from environment import processor
from lmgc_torch import _C
from lmgc_torch.model import find_model, load_language_model

HERE = Path(__file__).resolve().parent
NATS_PER_SCORE = 2.0**-16

Scorer = Callable[[torch.Tensor], torch.Tensor]


def windows(tokens: torch.Tensor, begin: int, length: int) -> list[torch.Tensor]:
    """Consecutive windows of at most `length` tokens, each after the begin token."""
    first = torch.tensor([begin])
    return [torch.cat([first, part]) for part in torch.split(tokens, length - 1)]


def cross_entropy(scorer: Scorer, cases: list[torch.Tensor]) -> tuple[float, float]:
    """Nats a token, and tokens a second."""
    total, count, seconds = 0.0, 0, 0.0
    for case in cases:
        start = time.perf_counter()
        logits = scorer(case[:-1])
        seconds += time.perf_counter() - start
        total += float(torch.nn.functional.cross_entropy(logits, case[1:], reduction="sum"))
        count += len(case) - 1
    return total / count, count / seconds


def engine(model: _C.LanguageModel) -> Scorer:
    everything = model.readout(torch.arange(model.architecture["vocabulary"], dtype=torch.int32))

    def score(tokens: torch.Tensor) -> torch.Tensor:
        cache = model.cache(1, len(tokens))
        scores = model.extend(cache, tokens[None].to(torch.int32), everything)
        return scores[0].double() * NATS_PER_SCORE

    return score


def reference(model: torch.nn.Module) -> Scorer:
    def score(tokens: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            logits: torch.Tensor = model(tokens[None]).logits[0].double()
        return logits

    return score


def pretrained(model: Path) -> dict[str, str]:
    """How transformers names a model."""
    if model.is_dir():
        return {"pretrained_model_name_or_path": str(model)}
    return {"pretrained_model_name_or_path": str(model.parent), "gguf_file": model.name}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as LMGC_MODEL; default: SmolLM2")
    parser.add_argument("--text", type=Path, default=HERE / "english.txt")
    parser.add_argument("--window", type=int, default=1024)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "fidelity.json")
    options = parser.parse_args()

    file = find_model(options.model)
    model = load_language_model(file)
    tokenizer = AutoTokenizer.from_pretrained(**pretrained(file))
    tokens = torch.tensor(tokenizer(options.text.read_text(), add_special_tokens=False).input_ids)
    cases = windows(tokens, model.begin_token, options.window)
    ours, our_speed = cross_entropy(engine(model), cases)
    floats = AutoModelForCausalLM.from_pretrained(**pretrained(file), dtype=torch.float32)
    theirs, their_speed = cross_entropy(reference(floats), cases)
    result = {
        "model": file.name,
        "text": options.text.name,
        "tokens": len(tokens),
        "window": options.window,
        "engine_nats_per_token": ours,
        "float32_nats_per_token": theirs,
        "relative_difference": ours / theirs - 1,
        "engine_tokens_per_s_whole_vocabulary": our_speed,
        "float32_tokens_per_s": their_speed,
        "kernels": _C.gemm_path(),
        "threads": torch.get_num_threads(),
        "processor": processor(),
        "torch": torch.__version__,
        "date": datetime.date.today().isoformat(),
    }
    print(json.dumps(result))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
