"""Trains one relay-nano model from scratch on the CPU: logs, checkpoints, resumes.

    python train.py large --out work/large        # killed? the same command goes on from its last checkpoint

A step is a batch of whole documents of similar length, each on its own row. The loss covers the completion only; slips
carry none, and for the small model computing tokens carry little (`hard_weight`): it learns to restate, not to compute.
"""

from __future__ import annotations

import argparse
import bisect
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from problems import documents
from solutions import Piece

BUCKETS = (160, 208, 256, 320, 400, 512)
CHUNK = 2048  # documents that are sorted by length together


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Shape and schedule of one model. Tokens are counted with padding."""

    layers: int
    width: int
    heads: int
    kv_heads: int
    ffn: int
    documents: int  # per task
    steps: int  # when the documents are through, they come again
    batch_tokens: int
    lr: float
    muon_lr: float
    hard_weight: float
    seed: int = 0


RECIPES = {
    "large": Recipe(
        layers=6,
        width=512,
        heads=8,
        kv_heads=2,
        ffn=1536,
        documents=7_000,
        steps=1150,
        batch_tokens=6144,
        lr=1e-3,
        muon_lr=2e-3,
        hard_weight=1.0,
    ),
    "small": Recipe(
        layers=2,
        width=256,
        heads=4,
        kv_heads=2,
        ffn=768,
        documents=7_000,
        steps=800,
        batch_tokens=6144,
        lr=2e-3,
        muon_lr=4e-3,
        hard_weight=0.085,
    ),
}


class Batch:
    """One step's rows, padded to a bucket."""

    def __init__(self, rows: list[tuple[list[int], list[float]]], length: int) -> None:
        self.ids = torch.zeros(len(rows), length, dtype=torch.long)
        self.weights = torch.zeros(len(rows), length)
        for i, (ids, weights) in enumerate(rows):
            self.ids[i, : len(ids)] = torch.tensor(ids)
            self.weights[i, : len(ids)] = torch.tensor(weights)


def encode(
    tokenizer: PreTrainedTokenizerFast, pieces: list[Piece], hard_weight: float
) -> tuple[list[int], list[float]]:
    """Token ids and the loss weight of each."""
    weight = {"prompt": 0.0, "slip": 0.0, "easy": 1.0, "hard": hard_weight}
    ends, at = [], 0
    for piece in pieces:
        at += len(piece.text)
        ends.append(at)
    encoded = tokenizer.backend_tokenizer.encode("".join(p.text for p in pieces), add_special_tokens=False)
    kinds = [pieces[bisect.bisect_right(ends, start)].kind for start, _ in encoded.offsets]
    return encoded.ids, [weight[k] for k in kinds]


def batches(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> list[Batch]:
    """The whole run's batches in order, the same for the same recipe."""
    rng = random.Random(recipe.seed)
    rows = [encode(tokenizer, d, recipe.hard_weight) for d in documents(recipe.documents)]
    rng.shuffle(rows)
    out: list[Batch] = []
    for start in range(0, len(rows), CHUNK):
        chunk = list(_bucketed(rows[start : start + CHUNK], recipe.batch_tokens))
        rng.shuffle(chunk)
        out += chunk
    return [out[i % len(out)] for i in range(recipe.steps)]


def _bucketed(rows: list[tuple[list[int], list[float]]], batch_tokens: int) -> Iterator[Batch]:
    for low, length in zip((0, *BUCKETS), BUCKETS, strict=False):
        fitting = [r for r in rows if low < len(r[0]) <= length]
        size = batch_tokens // length
        for i in range(0, len(fitting) - size + 1, size):
            yield Batch(fitting[i : i + size], length)


def build(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> Qwen3ForCausalLM:
    torch.manual_seed(recipe.seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.ffn,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        head_dim=64,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen3ForCausalLM(config)


def optimizers(model: Qwen3ForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    rest = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    if not recipe.muon_lr:
        return [torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.05, fused=True)]
    return [
        torch.optim.AdamW(rest, lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
        torch.optim.Muon(matrices, lr=recipe.muon_lr, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
    ]


def loss_of(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    targets, weights = batch.ids[:, 1:].reshape(-1), batch.weights[:, 1:].reshape(-1)
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].reshape(-1, logits.shape[-1]).float(), targets, reduction="none"
    )
    return (losses * weights).sum() / weights.sum()


def train(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, out: Path, *, save_every: int, threads: int) -> None:
    torch.set_num_threads(threads)
    steps = batches(recipe, tokenizer)
    model = build(recipe, tokenizer)
    opts = optimizers(model, recipe)
    base = [g["lr"] for o in opts for g in o.param_groups]
    first, checkpoint = 0, out / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        for opt, saved in zip(opts, state["optimizers"], strict=True):
            opt.load_state_dict(saved)
        first = state["step"]
    print(
        json.dumps({"parameters": sum(p.numel() for p in model.parameters()), "steps": len(steps), "from": first}),
        flush=True,
    )
    forward = torch.compile(model, dynamic=False)
    began, tokens = time.monotonic(), 0
    for step in range(first, len(steps)):
        batch, scale = steps[step], _schedule(step, len(steps))
        for group, lr in zip((g for o in opts for g in o.param_groups), base, strict=True):
            group["lr"] = lr * scale
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = forward(input_ids=batch.ids).logits
        loss = loss_of(logits, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for opt in opts:
            opt.step()
            opt.zero_grad()
        tokens += batch.ids.numel()
        if step % 20 == 0:
            speed = tokens / (time.monotonic() - began)
            print(f"{step}/{len(steps)} loss {loss.item():.4f} {speed:.0f} tok/s", flush=True)
        if (step + 1) % save_every == 0 or step + 1 == len(steps):
            _save(out, model, opts, tokenizer, step + 1)


def _schedule(step: int, total: int) -> float:
    """Warm-up over 50 steps, then constant, then a linear fall to zero over the last 40 %."""
    left = (total - step) / (0.4 * total)
    return min(1.0, (step + 1) / 50) * max(0.0, min(1.0, left))


def _save(
    out: Path, model: Qwen3ForCausalLM, opts: list[torch.optim.Optimizer], tokenizer: PreTrainedTokenizerFast, step: int
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in opts], "step": step}
    torch.save(state, out / "checkpoint.tmp")
    (out / "checkpoint.tmp").replace(out / "checkpoint.pt")
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, default=Path("work/tokenizer"))
    parser.add_argument("--save-every", type=int, default=150)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="FIELD=VALUE", help="override fields of the recipe")
    args = parser.parse_args()
    import dataclasses

    changes = {k: json.loads(v) for k, v in (s.split("=") for s in args.set)}
    recipe = dataclasses.replace(RECIPES[args.name], **changes)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(args.tokenizer)
    train(recipe, tokenizer, args.out, save_every=args.save_every, threads=args.threads)


if __name__ == "__main__":
    main()
