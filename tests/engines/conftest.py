"""The embedded pair as engines, each token exact, with a context that tests can fill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relaygen.engines import EngineSettings
from relaygen.engines.onnx import OnnxEngine

EXACT = EngineSettings(context=256, exact=True)


@pytest.fixture
async def large(nano_large: Path) -> AsyncIterator[OnnxEngine]:
    engine = OnnxEngine(nano_large, EXACT)
    yield engine
    await engine.aclose()


@pytest.fixture
async def small(nano_small: Path) -> AsyncIterator[OnnxEngine]:
    engine = OnnxEngine(nano_small, EXACT)
    yield engine
    await engine.aclose()
