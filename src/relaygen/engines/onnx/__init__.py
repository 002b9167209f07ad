"""The embedded engine: decoders on ONNX Runtime, in this process."""

from relaygen.engines.onnx.engine import OnnxEngine

__all__ = ["OnnxEngine"]
