"""Relaying: one generation from two models."""

from relaygen.relay.generation import Generation
from relaygen.relay.options import Options
from relaygen.relay.prompt import Prompt
from relaygen.relay.relay import Relay

__all__ = ["Generation", "Options", "Prompt", "Relay"]
