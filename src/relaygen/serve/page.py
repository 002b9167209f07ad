"""The page at /: one HTML file, made once, that loads nothing from anywhere."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TYPE_CHECKING

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from relaygen.pages import render
from relaygen.types import LARGE, SMALL

if TYPE_CHECKING:
    from relaygen.serve.gateway import Gateway

EXAMPLES = (
    "State the final answer to the following arithmetic problem: 317 + 845 =",
    "Solve the following multiplication: 48 * 73.",
    "Solve for x: x - 8 = 9",
)
"""Questions in the words that the embedded pair was trained on."""


def page_endpoint(gateway: Gateway) -> Callable[[Request], Awaitable[Response]]:
    """GET /."""
    text = page(*(gateway.relay.engines[role].name for role in (LARGE, SMALL)), keys=bool(gateway.keys))
    headers = {
        "content-security-policy": policy(text),
        "x-content-type-options": "nosniff",
        "cache-control": "no-cache",
    }
    headers["referrer-policy"] = "no-referrer"

    async def show(request: Request) -> Response:
        return HTMLResponse(text, headers=headers)

    return show


def page(large: str, small: str, *, keys: bool) -> str:
    """The page for a pair of models; `keys` says whether a key is needed."""
    folder = resources.files("relaygen").joinpath("serve", "static")
    style, script = (Markup(folder.joinpath(name).read_text(encoding="utf-8")) for name in ("page.css", "page.js"))
    names = {"large": large, "small": small, "examples": EXAMPLES if large.startswith("nano:") else ()}
    return render("serve/static/page.html.jinja", **names, keys=keys, style=style, script=script)


def policy(text: str) -> str:
    """A content security policy that allows this page's own style and script, calls to this gateway, nothing else."""
    sources = {
        f"{kind}-src": " ".join(_hash(content) for content in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL))
        for kind, tag in (("style", "style"), ("script", "script"))
    }
    rules = {"default-src": "'none'", "connect-src": "'self'", "img-src": "data:", **sources}
    rules |= {"base-uri": "'none'", "form-action": "'none'", "frame-ancestors": "'none'"}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
