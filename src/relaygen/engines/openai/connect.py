"""The first questions to a server: what it is, which model it serves, how much fits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relaygen.chat import ChatTemplate
from relaygen.engines.openai.base import Dialect
from relaygen.engines.openai.client import Client, Json
from relaygen.engines.openai.faults import ServerFault, reading
from relaygen.engines.openai.reference import Reference
from relaygen.engines.openai.words import WordTokenizer, apart
from relaygen.engines.servers import ServerSettings
from relaygen.errors import ModelError, UsageError
from relaygen.files import read_json
from relaygen.tokenizer import Tokenizer

OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama-server", "library": "ollama"}
TEXT_CONTEXT = 8192  # tokens, for servers that do not say


@dataclass(frozen=True, slots=True)
class Served:
    """What servers answered; `context` in tokens, 0 when they do not say."""

    dialect: str
    model: str
    context: int
    template: str = ""


def inquire(clients: list[Client], reference: Reference, settings: ServerSettings) -> Served:
    """Asks all servers of a model. Raises ModelError when none answers, UsageError when they differ."""
    answers: list[Served] = []
    faults: list[ServerFault] = []
    for client in clients:
        try:
            with reading(client.url):
                answers.append(_served(client, reference.model or settings.model, settings))
        except ServerFault as fault:
            faults.append(fault)
    if not answers:
        raise ModelError(f"No server answers for {reference.name}: {faults[0]}") from faults[0]
    if len({(answer.dialect, answer.model) for answer in answers}) > 1:
        raise UsageError(f"The servers of {reference.name} differ in kind or model; replicas must be alike.")
    contexts = [answer.context for answer in answers if answer.context]
    first = answers[0]
    return Served(first.dialect, first.model, min(contexts, default=0), first.template)


def dialect_of(served: Served, tokenizer: Tokenizer | None) -> Dialect:
    """How to speak. Without a tokenizer ids mean nothing here, and text goes over the wire."""
    from relaygen.engines.openai.llama import Llama
    from relaygen.engines.openai.sglang import Sglang
    from relaygen.engines.openai.text import Ollama, Text
    from relaygen.engines.openai.vllm import Vllm

    if served.dialect == "ollama":
        return Ollama()
    if tokenizer is None or served.dialect == "text":
        return Text()
    if served.dialect == "llama-server":
        return Llama(tokenizer)
    return Vllm() if served.dialect == "vllm" else Sglang()


def read_tokenizer(path: str) -> tuple[Tokenizer, ChatTemplate | None]:
    """The tokenizer and the chat template of a model folder, or of the folder in which a tokenizer.json lies.

    Raises ModelError when there is no tokenizer.
    """
    folder = Path(path).parent if Path(path).is_file() else Path(path)
    tokenizer = Tokenizer.load(folder)
    stated = "chat_template" in read_json(folder / "tokenizer_config.json")
    template = ChatTemplate.load(folder) if stated or (folder / "chat_template.jinja").is_file() else None
    return tokenizer, template


def vocabulary(settings: ServerSettings) -> tuple[Tokenizer | None, ChatTemplate | None]:
    """What the settings say about the tokenizer."""
    return read_tokenizer(settings.tokenizer) if settings.tokenizer else (None, None)


def text_vocabulary(tokenizer: Tokenizer | None) -> Tokenizer:
    """The vocabulary of a server that text is exchanged with; `tokenizer` is only for counting."""
    return apart(tokenizer) if tokenizer else WordTokenizer()


def short_name(model: str) -> str:
    """What traces call a model; without the folders in which a server found it."""
    return model.rsplit("/", 1)[-1].removesuffix(".gguf") if model.startswith("/") or model.endswith(".gguf") else model


def _served(client: Client, wanted: str, settings: ServerSettings) -> Served:
    cards: list[Json] = client.ask("/v1/models").get("data") or []
    card = next((card for card in cards if card.get("id") == wanted or wanted in card.get("aliases", ())), None)
    if card is None and (wanted or len(cards) != 1):
        names = ", ".join(str(card.get("id")) for card in cards) or "no model"
        raise UsageError(f"{client.url} serves {names}; name one of them behind the address: {client.url}#model.")
    card = card or cards[0]
    owner = str(card.get("owned_by", ""))
    dialect = OWNERS.get(owner, "text") if settings.dialect == "auto" else settings.dialect
    context, template = int(card.get("max_model_len") or 0), ""
    if dialect == "llama-server":
        props = client.ask("/props")
        context = _number(props.get("default_generation_settings"), "n_ctx")
        template = str(props.get("chat_template") or "")
    return Served(dialect, str(card.get("id")), settings.context or context, template)


def _number(value: Any, key: str) -> int:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, int) else 0
