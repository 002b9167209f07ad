"""Switch cues: whole words, whatever the tokens are; and the published matching, for comparison."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.chunks import characters, chunked, cut, why

from relaygen.profile import load_profile
from relaygen.until import cue
from relaygen.until.cue import is_word_character

CUES = ("now", "Now,", "Thus", "Thus,", "So ", "Other", "wait", "double-check", "check", "in short,")
WORDS = cue(CUES)
TRAPS = ("know", "known", "unknown", "snow", "Otherwise", "awaiting", "double-check", "nowhere", "Thusly", "So", "Also")
ACCENT, JOINER = "\N{COMBINING ACUTE ACCENT}", "\N{ZERO WIDTH JOINER}"
MARKS = (" ", ", ", ". ", "\n", "-", "'", "’", "é", ACCENT, JOINER, "😀", "_")
TEXTS = st.lists(st.sampled_from([*CUES, *TRAPS, *MARKS]) | st.text(max_size=3), max_size=12).map("".join)


def may_join(character: str) -> bool:
    """Whether a character may be part of a word (an independent, wide reading)."""
    category = unicodedata.category(character)
    return category[0] in "LNM" or category == "Cf" or character in "_-‐‑'’\N{REPLACEMENT CHARACTER}"


def stands_alone(text: str, cue: str, at: int) -> bool:
    end = at + len(cue)
    begins = at == 0 or not may_join(text[at - 1])
    return begins and (not may_join(cue[-1]) or (end < len(text) and not may_join(text[end])))


@given(chunked(TEXTS))
@example([b"kn", b"now"])
@example([b"now", b"\xc3", b"\xa9"])
@example([b" no", b"w", b"", b"here"])
@example([b"now", ACCENT.encode(), b" "])
@example([f"{JOINER}now".encode(), b" "])
def test_a_cue_never_fires_inside_a_word(pieces: list[bytes]) -> None:
    found = cut(WORDS, pieces)
    if found.fired:
        text, seen = (b"".join(part).decode(errors="replace") for part in (pieces, pieces[: found.fed]))
        places = [m.start() for m in re.finditer(re.escape(found.fired.why), seen)]
        assert any(stands_alone(text, found.fired.why, at) for at in places)


def first_certain(text: str) -> tuple[int, int, str] | None:
    """Of the whole-word cues the one that is certain first, then the longest: after how many characters."""
    hits = [
        (m.start() + len(cue) + may_join(cue[-1]), -len(cue), cue)
        for cue in {c.rstrip() for c in CUES}
        for m in re.finditer(f"(?={re.escape(cue)})", text)
        if stands_alone(text, cue, m.start())
    ]
    return min(hits, default=None)


@given(TEXTS)
@example("Thus, we know now.")
def test_every_cue_fires_when_it_is_certain(text: str) -> None:
    found, expected = cut(WORDS, characters(text)), first_certain(text)
    assert (found.fired and (found.fed, found.fired.why)) == (expected and (expected[0], expected[2]))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((" now", " the"), "now"),
        ((" n", "ow", " the"), "now"),
        ((" know", " the"), None),
        ((" now", "here", " to"), None),
        (("Thus", ","), "Thus,"),
        (("Thus,", " we"), "Thus,"),
        (("Thus:", " we"), "Thus"),
        (("Thus.", "\n"), "Thus"),
        (("Thus ", "we"), "Thus"),
        (("So", " we"), "So"),
        (("Also ", "we"), None),
        (("double", "-check", " it"), "double-check"),
        (("re-check", " it"), None),
        (("in", " short", ","), "in short,"),
        (("**Thus", "**"), "Thus"),
        (("now", "’s"), None),
        (("Otherwise", " no"), None),
    ],
)
def test_whole_words(pieces: tuple[str, ...], expected: str | None) -> None:
    assert why(WORDS, *pieces) == expected


def test_the_token_that_makes_a_cue_certain_stays() -> None:
    found = cut(WORDS, ["Thus", " we", " add"])
    assert (found.text, found.fired and found.fired.give_back) == ("Thus we", 0)


def test_of_cues_that_end_together_the_longest_is_named() -> None:
    assert why(cue(["short,", "in short,"]), "in", " short", ",") == "in short,"
    assert why(cue(["short", "in short"]), "in", " short", " it") == "in short"


def test_a_cue_at_the_very_end_is_not_certain() -> None:
    assert why(WORDS, " now") is None


def test_a_word_that_began_before_the_segment_is_not_new() -> None:
    assert why(WORDS, "now", " it", before="k") is None
    assert why(WORDS, "now", " it", before="k ") == "now"
    assert why(WORDS, "w", " it", before="no") is None


def test_half_a_letter_before_the_segment_joins_the_word() -> None:
    assert cut(WORDS, [b"\xa9now", b" it"], before="k").fired is None


def test_a_special_token_is_no_word() -> None:
    assert cut(cue(["think"]), ["</think>", " it"]).fired is None
    assert cut(WORDS, ["now", "</think>", " it"]).fired is None


def test_cues_within_the_first_tokens_are_passed_over() -> None:
    assert why(WORDS, " now", " a", " b", " Thus", " c", min_tokens=3) == "Thus"


@pytest.mark.parametrize("character", ["a", "7", "é", "字", "_", "-", "'", "’", "‑", "\N{COMBINING ACUTE ACCENT}", "ि"])
def test_parts_of_words(character: str) -> None:
    assert is_word_character(character)


@pytest.mark.parametrize("character", [" ", ",", ".", "(", "*", "😀", "—", "\n", "="])
def test_what_is_between_words(character: str) -> None:
    assert not is_word_character(character)


PUBLISHED = cue(CUES, match="substring")


@pytest.mark.parametrize(
    ("pieces", "expected", "kept"),
    [
        ((" know", "n"), "now", " know"),
        (("k", "no", "w", "n"), "now", "know"),
        (("Otherwise", ","), "Other", "Otherwise"),
        (("So", " the", " sum"), "So ", "So the"),
        (("Also", " the"), None, "Also the"),
        (("Thus", ","), "Thus", "Thus"),
        (("await",), "wait", "await"),
    ],
)
def test_the_published_matching_fires_inside_words(pieces: tuple[str, ...], expected: str | None, kept: str) -> None:
    found = cut(PUBLISHED, pieces)
    assert (found.fired and found.fired.why, found.text) == (expected, kept)


@given(chunked(TEXTS))
def test_substrings_fire_at_the_token_that_completes_the_first(pieces: list[bytes]) -> None:
    text = b"".join(pieces).decode()
    ends = [text.find(c) + len(c) for c in CUES if c in text]
    found = cut(PUBLISHED, pieces)
    assert (found.fired is not None) == bool(ends)
    if found.fired:
        shorter = b"".join(pieces[: found.fed - 1]).decode(errors="ignore")
        assert len(shorter) < min(ends) <= len(found.text)


def test_a_substring_that_was_too_early_is_not_found_again() -> None:
    assert why(PUBLISHED, "now", "!", "x", min_tokens=1) is None


def test_substrings_do_not_reach_into_what_was_written_before() -> None:
    assert why(PUBLISHED, "w", " it", before="no") is None


def live(cues: tuple[str, ...]) -> list[str]:
    """The cues that the others do not make unreachable when text comes in one character at a time."""
    return [
        one for one in cues if cut(cue([c for c in cues if c != one], match="substring"), characters(one)).fired is None
    ]


@pytest.mark.parametrize(
    ("profile", "listed", "reachable"),
    [("qwen3-32b-1.7b", 28, 20), ("r1-distill-32b-1.5b", 25, 20), ("candidates", 91, 46)],
)
def test_the_published_lists_have_the_known_number_of_live_cues(profile: str, listed: int, reachable: int) -> None:
    cues = load_profile(profile).cues
    assert (len(cues), len(live(cues))) == (listed, reachable)


@pytest.mark.parametrize("cues", [[], [""], ["Thus", " "]])
def test_blank_cues_are_refused(cues: list[str]) -> None:
    with pytest.raises(ValueError, match="none of them blank"):
        cue(cues)
