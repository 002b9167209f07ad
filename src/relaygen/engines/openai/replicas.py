"""Several servers with the same model: which of them gets a generation, and which are well."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from relaygen.engines.openai.client import Client

LONGEST_REST = 30.0


@dataclass(slots=True)
class Replica:
    """One server. After a failure it rests; each failure in a row doubles the time, up to 30 s."""

    client: Client
    failures: int = 0
    rests_until: float = 0.0


class Replicas:
    """Chooses by rendezvous hashing: a generation stays on one server, which has its tokens in the cache, and when a
    server goes, only its own generations move."""

    def __init__(self, clients: Sequence[Client], clock: Callable[[], float] = time.monotonic) -> None:
        self._replicas = [Replica(client) for client in clients]
        self._clock = clock

    def __len__(self) -> int:
        return len(self._replicas)

    @property
    def clients(self) -> list[Client]:
        return [replica.client for replica in self._replicas]

    def choose(self, session: str) -> Replica:
        """The server of a generation: among those that are well, or else the one that has rested longest."""
        now = self._clock()
        well = [replica for replica in self._replicas if replica.rests_until <= now]
        if not well:
            return min(self._replicas, key=lambda replica: replica.rests_until)
        return max(well, key=lambda replica: _weight(session, replica.client.url))

    def failed(self, replica: Replica, wait: float = 0.0) -> None:
        """Lets a server rest, for `wait` seconds at least."""
        replica.failures += 1
        rest = min(0.5 * 2**replica.failures, LONGEST_REST)
        replica.rests_until = self._clock() + max(rest, wait)

    def answered(self, replica: Replica) -> None:
        """A server is well."""
        replica.failures, replica.rests_until = 0, 0.0


def _weight(session: str, url: str) -> bytes:
    return hashlib.blake2b(f"{session} {url}".encode(), digest_size=8).digest()
