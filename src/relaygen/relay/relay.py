"""The front door: a pair of models and a policy, from messages to a trace."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import ExitStack, aclosing, closing
from dataclasses import replace
from typing import Any, Self

from anyio.from_thread import BlockingPortal, start_blocking_portal

from relaygen.chat import ChatTemplate, messages_of
from relaygen.engines import Engine, EngineSettings, ServerSettings, create_engine
from relaygen.errors import ModelError, ProfileWarning
from relaygen.policies import Policy, create_policy
from relaygen.profile import Profile, default_profile, load_profile
from relaygen.relay.blocking import iterate
from relaygen.relay.generation import Generation
from relaygen.relay.options import Options
from relaygen.relay.pair import other_pair
from relaygen.relay.prompt import Prompt, encoded, raw
from relaygen.relay.wrapped import Wrapped
from relaygen.types import LARGE, SMALL, Event, Finished, Role, Trace

Messages = str | Sequence[Mapping[str, Any]]


class Relay:
    """Answers with two models.

        with Relay.open() as relay:
            trace = relay.generate("What is 17 * 23?")

    `generate` and `events` are for ordinary code, `stream` and `agenerate` for async code (with `async with`); use one
    kind per Relay.
    """

    def __init__(
        self,
        large: Engine,
        small: Engine,
        *,
        policy: Policy | str = "relaygen",
        profile: Profile | str | None = None,
        options: Options | None = None,
    ) -> None:
        self.engines: dict[Role, Engine] = {LARGE: large, SMALL: small}
        self.profile = self._load(profile)
        if doubt := other_pair(self.profile, large, small):
            warnings.warn(doubt, ProfileWarning, stacklevel=2)
        self.policy = create_policy(policy, self.profile) if isinstance(policy, str) else policy
        self.options = options or Options()
        self._wrapped = Wrapped(self.engines)
        self._wrapped.of(self.policy)
        self._stack = ExitStack()
        self._running: BlockingPortal | None = None
        self._closed = False

    @classmethod
    def open(
        cls,
        large: str = "nano:large",
        small: str = "nano:small",
        *,
        policy: Policy | str = "relaygen",
        profile: Profile | str | None = None,
        options: Options | None = None,
        settings: EngineSettings | None = None,
        servers: Mapping[Role, ServerSettings] | None = None,
    ) -> Self:
        """Loads both models; `servers` says how to reach those behind servers.

        Raises ModelError, ProfileError or UsageError with one clear sentence.
        """
        reach = servers or {}
        if isinstance(policy, str):
            create_policy(policy, load_profile("candidates"))  # a wrong name should not cost the loading of models
        if isinstance(profile, str):
            profile = load_profile(profile)
        return cls(
            create_engine(large, settings, reach.get(LARGE)),
            create_engine(small, settings, reach.get(SMALL)),
            policy=policy,
            profile=profile,
            options=options,
        )

    async def stream(
        self, messages: Messages | Prompt, *, policy: Policy | str | None = None, options: Options | None = None
    ) -> AsyncGenerator[Event, None]:
        """Generates one answer and yields what happens; closing the iterator aborts the generation.

        `messages` may be a prompt made by `prompt` or `raw_prompt`.
        Raises ContextError before any work when the prompt is too long, EngineError (with the partial trace) when a
        model fails.
        """
        options = options or self.options
        chosen = create_policy(policy, self.profile) if isinstance(policy, str) else policy or self.policy
        prompt = messages if isinstance(messages, Prompt) else self.prompt(messages, thinking=options.thinking)
        generation = Generation(chosen, self._wrapped.of(chosen), prompt.ids, options, thinking=prompt.thinking)
        async with aclosing(generation.events()) as events:
            async for event in events:
                yield event

    async def agenerate(
        self, messages: Messages | Prompt, *, policy: Policy | str | None = None, options: Options | None = None
    ) -> Trace:
        """Generates one answer and returns its trace. Raises as `stream` does."""
        async with aclosing(self.stream(messages, policy=policy, options=options)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    return event.trace
        raise AssertionError("a generation ends with Finished")

    def generate(
        self, messages: Messages | Prompt, *, policy: Policy | str | None = None, options: Options | None = None
    ) -> Trace:
        """`agenerate` for code that is not async."""
        with closing(self.events(messages, policy=policy, options=options)) as events:
            for event in events:
                if isinstance(event, Finished):
                    return event.trace
        raise AssertionError("a generation ends with Finished")

    def events(
        self, messages: Messages | Prompt, *, policy: Policy | str | None = None, options: Options | None = None
    ) -> Generator[Event, None, None]:
        """`stream` for code that is not async. Generates ahead of the reader; closing it aborts the generation."""
        yield from iterate(self._portal, self.stream(messages, policy=policy, options=options))

    def prompt(
        self,
        messages: Messages,
        *,
        thinking: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> Prompt:
        """The conversation, rendered once with the large model's template, in each model's own ids.

        `variables` are more names for the template. Raises UsageError for a conversation that is malformed or that the
        template refuses.
        """
        text = self._template().render(messages_of(messages), thinking=thinking, tools=tools, **(variables or {}))
        return encoded(self.engines, text)

    def raw_prompt(self, source: str | Sequence[int]) -> Prompt:
        """A text, or token ids of the large model, that is continued as it stands. Raises UsageError as `raw` does."""
        return raw(self.engines, source)

    def with_sampling(self, **changes: Any) -> Options:
        """This relay's options with other sampling settings."""
        return replace(self.options, sampling=replace(self.options.sampling, **changes))

    def close(self) -> None:
        """Frees the models; what is still running is aborted."""
        if not self._closed:
            self._portal.call(self.aclose)
        self._stack.close()
        self._running = None

    async def aclose(self) -> None:
        """`close` for async code."""
        self._closed = True
        for engine in dict.fromkeys(self.engines.values()):  # both roles may be played by one
            await engine.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    @property
    def _portal(self) -> BlockingPortal:
        """One event loop in a thread of its own, started at the first synchronous call."""
        if self._running is None:
            self._running = self._stack.enter_context(start_blocking_portal())
        return self._running

    def _template(self) -> ChatTemplate:
        for role in (LARGE, SMALL):
            if template := self.engines[role].template:
                return template
        raise ModelError("Neither model has a chat template; add a chat_template.jinja to the large model's folder.")

    def _load(self, profile: Profile | str | None) -> Profile:
        if isinstance(profile, Profile):
            return profile
        names = self.engines[LARGE].name, self.engines[SMALL].name
        return load_profile(profile) if profile else default_profile(*names)
