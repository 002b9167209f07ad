"""The openai SDK against a gateway: `relaygen serve`, then `python examples/chat.py "What is 17 * 23?"`."""

from __future__ import annotations

import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("RELAYGEN_URL", "http://127.0.0.1:8000/v1"), api_key=os.environ.get("RELAYGEN_KEY", "none")
)
stream = client.chat.completions.create(
    model=os.environ.get("RELAYGEN_MODEL", "relay"),
    messages=[{"role": "user", "content": " ".join(sys.argv[1:]) or "What is 17 * 23?"}],
    stream=True,
    stream_options={"include_usage": True},
)
for chunk in stream:
    for choice in chunk.choices:
        reasoning = getattr(choice.delta, "reasoning_content", None) or ""
        print(reasoning + (choice.delta.content or ""), end="", flush=True)
    if chunk.usage and chunk.usage.model_extra:
        relay = chunk.usage.model_extra["relay"]
        print(f"\n\nlarge share {relay['large_share']:.0%}, {relay['switches']} switches", file=sys.stderr)
