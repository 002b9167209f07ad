"""What a request asks of the relay: checked, rendered, in the relay's own words."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from relaygen.relay import Options, Prompt, Relay
from relaygen.serve.failures import bad_request
from relaygen.serve.models import ALONE, Chosen, choose, whole
from relaygen.serve.settings import ServeSettings
from relaygen.serve.wire import Asked, ChatRequest, CompletionRequest, Message
from relaygen.types import Sampling

SEEDS = 1 << 63
THINKING = ("enable_thinking", "thinking")  # what templates call the switch
RESERVED = frozenset({"self", "messages", "tools", "add_generation_prompt", "chat_template", "tokenize"})
FIELDS = ("temperature", "top_p", "min_p")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One or more generations. `whole` says why they went to the large model alone, if they did."""

    chosen: Chosen
    prompts: tuple[Prompt, ...]
    options: Options
    n: int = 1
    top: int | None = None
    tools: bool = False
    whole: str = ""

    @property
    def count(self) -> int:
        return self.n * len(self.prompts)

    def choices(self) -> Iterator[tuple[Prompt, Options]]:
        """Each generation's prompt and options; every one has a seed of its own, the first the one asked for."""
        first = self.options.sampling
        for i in range(self.count):
            sampling = replace(first, seed=(first.seed + i) % SEEDS)
            yield self.prompts[i // self.n], replace(self.options, sampling=sampling)


def chat_job(relay: Relay, settings: ServeSettings, asked: ChatRequest) -> Job:
    """The job of a chat request. Raises Refusal or UsageError for what can't be done. Renders the prompt: slow."""
    if len(asked.messages) > settings.max_messages:
        raise bad_request(
            f"A conversation may have {settings.max_messages} messages here, not {len(asked.messages)}.", "messages"
        )
    tools = _tools(asked)
    chosen, reason = choose(relay, asked.model), "tools" if tools else ""
    if reason and chosen.name not in ALONE:
        chosen = whole(relay, asked.model)
    thinking, variables = _template_variables(asked, relay.options.thinking)
    options = _options(relay, settings, asked, thinking)
    messages = [_plain(message) for message in asked.messages]
    prompt = relay.prompt(messages, thinking=thinking, tools=tools, variables=variables)
    job = Job(chosen=chosen, prompts=(prompt,), options=options, n=asked.n or 1, top=asked.tokens_of_top)
    return replace(job, tools=bool(tools), whole=reason if chosen.name not in ALONE else "")


def completion_job(relay: Relay, settings: ServeSettings, asked: CompletionRequest) -> Job:
    """The job of a completion request. A prompt that opens no reasoning stage leaves nothing to relay."""
    count = len(asked.prompts) * (asked.n or 1)
    if count > settings.max_choices:
        raise _too_many(count, settings, "prompt")
    prompts = tuple(relay.raw_prompt(source) for source in asked.prompts)
    chosen, reason = choose(relay, asked.model), ""
    if chosen.name not in ALONE and not all(prompt.thinking for prompt in prompts):
        chosen, reason = whole(relay, asked.model), "no-reasoning-stage"
    options = _options(relay, settings, asked, relay.options.thinking)
    return Job(chosen=chosen, prompts=prompts, options=options, n=asked.n or 1, top=asked.tokens_of_top, whole=reason)


def _options(relay: Relay, settings: ServeSettings, asked: Asked, thinking: bool) -> Options:
    most = relay.options.max_tokens
    if (asked.budget or 0) > most:
        raise bad_request(f"At most {most} tokens can be asked for here, not {asked.budget}.", "max_tokens")
    if (asked.n or 1) > settings.max_choices:
        raise _too_many(asked.n or 1, settings, "n")
    return replace(
        relay.options,
        sampling=_sampling(asked, relay.options.sampling),
        max_tokens=asked.budget or most,
        stop=asked.stops or relay.options.stop,
        thinking=thinking,
        margins=asked.shows_relay or bool(asked.tokens_of_top),
    )


def _too_many(count: int, settings: ServeSettings, param: str) -> Exception:
    return bad_request(f"One request may ask for {settings.max_choices} generations here, not {count}.", param)


def _sampling(asked: Asked, base: Sampling) -> Sampling:
    """The gateway's sampling with what the request says on top; without any seed, a random one."""
    given = {name: value for name in FIELDS if (value := getattr(asked, name)) is not None}
    seed = (base.seed or secrets.randbelow(1 << 31)) if asked.seed is None else asked.seed % SEEDS
    top_k = base.top_k if asked.top_k is None else max(asked.top_k, 0)
    return replace(base, **given, seed=seed, top_k=top_k)


def _template_variables(asked: ChatRequest, default: bool) -> tuple[bool, Mapping[str, Any]]:
    """Whether to think, and the other names for the template."""
    given = dict(asked.chat_template_kwargs or {})
    if wrong := RESERVED & given.keys():
        raise bad_request(f"chat_template_kwargs can't set {', '.join(sorted(wrong))}.", "chat_template_kwargs")
    switches = [given.pop(name) for name in THINKING if name in given]
    if asked.reasoning_effort is not None:
        switches.append(asked.reasoning_effort != "none")
        given.setdefault("reasoning_effort", asked.reasoning_effort)
    if not all(isinstance(switch, bool) for switch in switches):
        raise bad_request("enable_thinking must be true or false.", "chat_template_kwargs")
    return switches[0] if switches else default, given


def _tools(asked: ChatRequest) -> list[dict[str, Any]] | None:
    """The tools that the model may call. Raises Refusal when the request insists on a call."""
    if asked.tool_choice not in (None, "none", "auto"):
        raise bad_request("tool_choice can be auto or none here; no model can be forced to call a tool.", "tool_choice")
    return asked.tools if asked.tools and asked.tool_choice != "none" else None


def _plain(message: Message) -> dict[str, Any]:
    return message.model_dump(exclude_unset=True)
