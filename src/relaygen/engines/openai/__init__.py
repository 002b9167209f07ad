"""Models behind servers: vLLM, SGLang and llama-server token by token, others as text."""

from relaygen.engines.openai.engine import Counts, ServerEngine

__all__ = ["Counts", "ServerEngine"]
