"""Requests as they come in: OpenAI's fields, and those that vLLM's users send besides.

Fields that nobody knows are tolerated. Fields that can't be honoured are refused unless they ask for nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from relaygen.serve.failures import bad_request, refusal_of_body

Word = Annotated[str, Field(min_length=1, max_length=256)]
ModelName = Annotated[str, Field(max_length=200, pattern=r"^[ -~]+$")]
TokenId = Annotated[StrictInt, Field(ge=0, lt=1 << 31)]
MOST_STOPS = 16
KNOWN_TOP = 2  # engines report the two most probable tokens of a position

# Each of these changes what a model may write, which neither model can be held to across hand-overs. The values beside
# a name ask for nothing.
UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "add_generation_prompt": (True,),
    "allowed_token_ids": ([],),
    "audio": (),
    "bad_words": ([],),
    "best_of": (1,),
    "chat_template": (),
    "continue_final_message": (False,),
    "echo": (False,),
    "frequency_penalty": (0,),
    "function_call": ("none",),
    "functions": ([],),
    "guided_choice": (),
    "guided_grammar": (),
    "guided_json": (),
    "guided_regex": (),
    "logit_bias": ({},),
    "min_tokens": (0,),
    "modalities": (["text"],),
    "presence_penalty": (0,),
    "prompt_embeds": (),
    "prompt_logprobs": (0, False),
    "repetition_penalty": (1,),
    "response_format": ({"type": "text"},),
    "stop_token_ids": ([],),
    "structured_outputs": (),
    "suffix": ("",),
    "use_beam_search": (False,),
}


class _Wire(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class StreamOptions(_Wire):
    """What a stream holds besides the text."""

    include_usage: bool | None = None
    """A last chunk with the usage of the whole request."""
    include_relay: bool | None = None
    """Who writes, in every chunk, and a chunk for each segment that ends."""


class Asked(_Wire):
    """What both kinds of requests have in common."""

    model: ModelName
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, lt=1 << 31)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | None = None
    stop: Word | Annotated[list[Word], Field(max_length=MOST_STOPS)] | None = None
    n: Annotated[int, Field(ge=1, le=1024)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None

    @property
    def stops(self) -> tuple[str, ...]:
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @property
    def shows_relay(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_relay)

    @property
    def shows_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def budget(self) -> int | None:
        """The tokens asked for."""
        return self.max_tokens

    @property
    def tokens_of_top(self) -> int | None:
        """How many of the most probable tokens to report with each; None when no log-probabilities are asked for."""
        return None


class Message(_Wire):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None
    """Text, or parts of the type `text`."""
    tool_calls: list[dict[str, Any]] | None = None


class ChatRequest(Asked):
    """Body of POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    """Wins over max_tokens."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=KNOWN_TOP)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    """`none` switches thinking off; the rest is handed to the chat template."""
    chat_template_kwargs: Annotated[dict[str, Any], Field(max_length=64)] | None = None
    """enable_thinking (or thinking) true or false, and whatever else the large model's template knows."""

    @property
    def budget(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def tokens_of_top(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None


class CompletionRequest(Asked):
    """Body of POST /v1/completions."""

    prompt: (
        str
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[str], Field(min_length=1)]
        | Annotated[list[Annotated[list[TokenId], Field(min_length=1)]], Field(min_length=1)]
    )
    logprobs: Annotated[StrictInt, Field(ge=0, le=KNOWN_TOP)] | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """One or several, each a text or token ids."""
        if isinstance(self.prompt, str) or isinstance(self.prompt[0], int):
            return [self.prompt]
        return list(self.prompt)

    @property
    def tokens_of_top(self) -> int | None:
        return self.logprobs


Body = TypeVar("Body", bound=Asked)


def parsed(kind: type[Body], body: bytes) -> Body:
    """The request in a body. Raises Refusal (400) that names the field, also for what can't be honoured."""
    try:
        asked = kind.model_validate_json(body)
    except ValidationError as error:
        raise refusal_of_body(error) from error
    for name, value in (asked.model_extra or {}).items():
        harmless = UNSUPPORTED.get(name)
        if harmless is not None and value is not None and value not in harmless:
            raise bad_request(f"{name} is not supported here: it can't be honoured across two models.", name)
    if isinstance(asked, ChatRequest) and asked.top_logprobs and not asked.logprobs:
        raise bad_request("top_logprobs needs logprobs to be true.", "top_logprobs")
    return asked
