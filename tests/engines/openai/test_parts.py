"""The parts of the server engine, one by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.openai.fakes import TOKENIZER

from relaygen.engines.openai.base import metric, most_probable
from relaygen.engines.openai.client import Client
from relaygen.engines.openai.faults import refusal
from relaygen.engines.openai.gaps import Gap, Gaps, spellings
from relaygen.engines.openai.leg import segment_seed
from relaygen.engines.openai.reference import parse_reference
from relaygen.engines.openai.replicas import Replicas
from relaygen.engines.openai.words import TextTokens, WordTokenizer
from relaygen.engines.servers import ServerSettings
from relaygen.errors import UsageError
from relaygen.tokenizer import Tokenizer, byte_alphabet


def merging(*pairs: tuple[bytes, bytes]) -> Tokenizer:
    """Bytes, and pairs of them as further tokens."""
    letters = {byte: letter for letter, byte in byte_alphabet().items()}
    spelled = [tuple("".join(letters[b] for b in part) for part in pair) for pair in pairs]
    vocab = byte_alphabet() | {"".join(pair): 256 + i for i, pair in enumerate(spelled)}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    model = {"type": "BPE", "vocab": vocab, "merges": [list(pair) for pair in spelled]}
    spec: dict[str, object] = {
        "version": "1.0",
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": level,
        "decoder": level,
    }
    return Tokenizer(json.dumps(spec | {"model": model}))


@pytest.mark.parametrize(
    ("text", "urls", "model"),
    [
        ("http://a:1/v1", ("http://a:1/v1",), ""),
        ("http://a:1", ("http://a:1/v1",), ""),
        ("https://gate/vllm/v1/#m", ("https://gate/vllm/v1",), "m"),
        ("http://a:1#org/m, http://b:2", ("http://a:1/v1", "http://b:2/v1"), "org/m"),
    ],
)
def test_references_are_read(text: str, urls: tuple[str, ...], model: str) -> None:
    assert parse_reference(text) == (urls, model)


@pytest.mark.parametrize("text", ["http://", "http://u:p@a:1", "http://a:1/v1?key=1", "http://a#m,http://b#n"])
def test_bad_references_are_usage_errors(text: str) -> None:
    with pytest.raises(UsageError):
        parse_reference(text)


def replicas(count: int, clock: list[float]) -> Replicas:
    return Replicas([Client(f"http://{i}", ServerSettings()) for i in range(count)], lambda: clock[0])


def test_generations_spread_and_stay() -> None:
    several = replicas(3, [0.0])
    chosen = [several.choose(f"session {i}").client.url for i in range(60)]
    assert chosen == [several.choose(f"session {i}").client.url for i in range(60)]
    assert len(set(chosen)) == 3


def test_only_the_generations_of_a_broken_server_move() -> None:
    several = replicas(3, [0.0])
    before = {f"s{i}": several.choose(f"s{i}") for i in range(60)}
    broken = before["s0"]
    several.failed(broken)
    after = {session: several.choose(session) for session in before}
    assert all(after[s] is r for s, r in before.items() if r is not broken)
    assert broken not in after.values()


def test_a_server_comes_back_after_its_rest() -> None:
    clock = [0.0]
    two = replicas(2, clock)
    first = two.choose("s")
    two.failed(first)
    assert two.choose("s") is not first
    clock[0] = 1.0
    assert two.choose("s") is first


def test_when_all_rest_the_one_that_is_ready_first_is_asked() -> None:
    clock = [0.0]
    two = replicas(2, clock)
    first, other = two.choose("s"), None
    two.failed(first, wait=20.0)
    other = two.choose("s")
    two.failed(other)
    assert two.choose("s") is other


def test_lost_ids_are_found_from_the_bytes() -> None:
    ids = TOKENIZER.encode("a😀")
    gaps = Gaps(TOKENIZER)
    assert gaps.lost(ids[0], "a", 1) == ()
    assert gaps.lost(ids[-1], "😀", 5) == tuple(ids[1:4])


def test_held_back_text_does_not_confuse_the_search() -> None:
    ids = TOKENIZER.encode("<😀!")
    gaps = Gaps(TOKENIZER)
    assert gaps.lost(ids[0], "", 1) == ()
    assert gaps.lost(ids[4], "<😀", 5) == tuple(ids[1:4])
    assert gaps.lost(ids[5], "!", 6) == ()


def test_two_possible_spellings_are_a_gap() -> None:
    smile = "😀".encode()
    tokenizer = merging((smile[:1], smile[1:2]), (smile[1:2], smile[2:3]))
    assert len(spellings(tokenizer, smile[:3], 2)) == 2
    with pytest.raises(Gap):
        Gaps(tokenizer).lost(smile[3], "😀", 3)


def test_special_tokens_that_are_not_printed_do_not_count() -> None:
    think, ids = TOKENIZER.id_of("<think>"), TOKENIZER.encode("é")
    assert think is not None
    gaps = Gaps(TOKENIZER)
    assert gaps.lost(think, "", 1) == ()
    assert gaps.lost(ids[1], "é", 3) == (ids[0],)


@given(st.text(), st.integers(1, 5))
def test_learned_words_spell_the_text(text: str, size: int) -> None:
    tokenizer = WordTokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text
    pieces = TextTokens(tokenizer)
    ids = [id for i in range(0, len(text), size) for id in pieces.feed(text[i : i + size])]
    assert tokenizer.decode(ids + pieces.flush()) == text


@given(st.integers(1, 9))
def test_a_special_token_is_found_however_it_is_cut(size: int) -> None:
    tokenizer, text = WordTokenizer(), "so <b</think> 42"
    pieces = TextTokens(tokenizer)
    ids = [id for i in range(0, len(text), size) for id in pieces.feed(text[i : i + size])]
    assert tokenizer.id_of("</think>") in ids + pieces.flush()


def test_word_vocabularies_are_never_shared() -> None:
    assert WordTokenizer().fingerprint != WordTokenizer().fingerprint


def test_the_most_probable_come_first_and_ties_go_to_the_lower_id() -> None:
    assert [c.id for c in most_probable({5: -1.0, 3: -1.0, 9: -0.5})] == [9, 3]


def test_gauges_are_summed_over_their_labels() -> None:
    page = '# HELP n x\nn{engine="0"} 2.0\nn{engine="1"} 1.0\nn_more 9\n'
    assert metric(page, "n") == 3
    assert metric(page, "absent") is None


def test_seeds_fit_every_server() -> None:
    assert all(0 <= segment_seed(seed, 3) < 2**31 for seed in (-1, 0, 2**70))


@pytest.mark.parametrize(("asked", "seconds"), [("3", 3.0), ("1000", 30.0), ("Wed, 21 Oct 2026", 0.0), ("", 0.0)])
def test_waits_are_bounded(asked: str, seconds: float) -> None:
    assert refusal("s", 429, "", asked).wait == seconds


def test_a_key_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-1\n")
    assert ServerSettings(api_key_file=str(file)).api_key() == "sk-1"
    with pytest.raises(UsageError, match="can't be read"):
        ServerSettings(api_key_file=str(tmp_path / "none")).api_key()
