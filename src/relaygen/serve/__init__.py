"""The gateway: an OpenAI-compatible endpoint that relays. Needs the extra `serve`."""

from relaygen.serve.app import create_app
from relaygen.serve.gateway import Gateway
from relaygen.serve.keys import Keys
from relaygen.serve.server import check_access, listen, serve
from relaygen.serve.settings import ServeSettings, serve_settings

__all__ = ["Gateway", "Keys", "ServeSettings", "check_access", "create_app", "listen", "serve", "serve_settings"]
