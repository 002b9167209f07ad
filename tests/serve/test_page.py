"""The page at /: what it loads, and what a person can do with it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.serve.browser import Browser, browser, found
from tests.serve.pair import HeldEngine, Live, answer, live, make_relay, play, thought

from relaygen.engines.scripted import ScriptedEngine
from relaygen.serve import Keys, ServeSettings
from relaygen.serve.page import page, policy

Q = "What is 6 * 7?"
SHOTS = os.environ.get("RELAYGEN_SHOTS")
"""A folder for pictures to look at."""


def test_the_page_loads_nothing_from_elsewhere() -> None:
    text = page("a<b", "c", keys=False)
    assert "a&lt;b" in text
    assert not re.search(r"(?:src|href)=\"(?!data:)|@import|url\(", text)
    assert "'unsafe-inline'" not in policy(text)


def test_the_page_asks_for_a_key_only_where_one_is_needed() -> None:
    assert 'id="key"' in page("a", "b", keys=True)
    assert 'id="key"' not in page("a", "b", keys=False)


def test_the_page_can_be_switched_off(http: httpx2.Client) -> None:
    assert http.get("/").headers["content-type"].startswith("text/html")
    with live(make_relay(), ServeSettings(page=False)) as gateway:
        assert httpx2.get(gateway.url).status_code == 404


browsing = [pytest.mark.browser, pytest.mark.skipif(not found(), reason="needs Debian's chromium")]


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as made:
        yield made


def ask(tab: Browser, question: str) -> None:
    """Types a question and presses Enter, as a person does."""
    tab.wait("document.querySelector('#policies input')")
    tab.run("document.getElementById('question').focus()")
    tab.type(question)
    tab.press("Enter", code="Enter", windowsVirtualKeyCode=13)


def shoot(tab: Browser, name: str) -> None:
    if SHOTS:
        tab.shoot(Path(SHOTS) / f"{name}.png")


class TestInABrowser:
    pytestmark = browsing

    @pytest.mark.parametrize("dark", [False, True])
    @pytest.mark.parametrize("width", [1280, 400])
    def test_two_policies_are_compared(self, tab: Browser, gateway: Live, width: int, dark: bool) -> None:
        tab.open(gateway.url, width, dark=dark)
        tab.wait("document.querySelector('#policies input[value=large]')")
        tab.run("document.querySelector('#policies input[value=large]').click()")
        ask(tab, Q)
        tab.wait("document.getElementById('status').textContent == 'Finished.'")
        texts = tab.run("[...document.querySelectorAll('.run .text')].map((e) => e.textContent)")
        assert texts == [thought(Q), answer(Q).lstrip()] * 2
        widths = tab.run("[...document.querySelectorAll('.meter i')].map((e) => e.style.width)")
        assert 0 < float(widths[0].removesuffix("%")) < float(widths[1].removesuffix("%")) == 100
        roles = tab.run("[...document.querySelectorAll('.run:first-child .text span')].map((e) => e.className)")
        assert set(roles) == {"large", "small"}
        assert tab.run("document.documentElement.scrollWidth <= innerWidth")
        tab.run("document.querySelector('.run .text span[tabindex]').focus()")
        assert tab.run("document.getElementById('tip').textContent").splitlines()[1] == "ended by cue “Thus”"
        shoot(tab, f"page-{width}-{'dark' if dark else 'light'}")
        assert tab.problems == []

    def test_colours_arrive_while_the_answer_is_written_and_escape_stops_it(self, tab: Browser) -> None:
        held = HeldEngine(after=30)
        with live(make_relay(large=held, small=ScriptedEngine(play))) as gateway:
            tab.open(gateway.url)
            ask(tab, Q)
            tab.wait("document.querySelector('.run.running .text span.large')")
            tab.press("Escape", code="Escape", windowsVirtualKeyCode=27)
            tab.wait("document.querySelector('.run:not(.running)')")
            assert "Stopped." in tab.run("document.querySelector('.run').textContent")
            assert held.over.wait(30)

    def test_a_failure_is_shown_in_words(self, tab: Browser, gateway: Live) -> None:
        tab.open(gateway.url)
        ask(tab, "fail later")
        tab.wait("document.querySelector('.run.failed')")
        assert "A model failed" in tab.run("document.querySelector('.run').textContent")

    def test_a_conversation_goes_on(self, tab: Browser, gateway: Live) -> None:
        tab.open(gateway.url)
        for number, question in enumerate(("First?", "Second?"), 1):
            ask(tab, question)
            tab.wait(f"document.querySelectorAll('.turn').length == {number}")
            tab.wait("document.getElementById('status').textContent == 'Finished.'")
        assert tab.run("requestFor('relay', 'Third?').messages.length") == 5
        assert tab.run("document.querySelector('#totals dd').textContent") == "2"

    def test_a_key_is_asked_for(self, tab: Browser) -> None:
        with live(make_relay(), keys=Keys({"sk-1": "me"})) as gateway:
            tab.open(gateway.url)
            tab.wait("document.getElementById('status').textContent.includes('needs a valid API key')")
            tab.run("{ const k = $('key'); k.value = 'sk-1'; k.dispatchEvent(new Event('change')); }")
            ask(tab, Q)
            tab.wait("document.getElementById('status').textContent == 'Finished.'")
