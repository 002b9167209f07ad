"""What the gateway itself costs: many streams of two scripted models at once, each checked to the character.

    python benchmarks/gateway.py                      # 256 streams
    python benchmarks/gateway.py --streams 32 --sentences 100

Prints one JSON object. Processor time is the server's own (relay, scripted models and HTTP together), so that a busy
machine does not change it; wall time includes the client, which is one process of the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Any

from relaygen.engines.scripted import Line, ScriptedEngine
from relaygen.profile import Profile
from relaygen.relay import Options, Relay
from relaygen.serve import Keys, ServeSettings, listen, serve
from relaygen.serve.log import configure

OPENING = "assistant: <think>\n"
PROFILE = Profile(name="bench", origin="provisional", cues=("Thus",))
QUESTION = "Question {}"
INTERVAL = 0.2  # seconds between looks at the server's memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=256)
    parser.add_argument("--sentences", type=int, default=20, help="length of an answer; about 16 tokens each")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        run_server(given.streams, given.sentences)
        return
    command = [
        sys.executable,
        __file__,
        "--serve",
        "--streams",
        str(given.streams),
        "--sentences",
        str(given.sentences),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            print(json.dumps(asyncio.run(measure(server, given.streams, given.sentences)), indent=2))
        finally:
            server.kill()


def run_server(streams: int, sentences: int) -> None:
    """The gateway of two models that know every answer, whoever goes on with it."""

    def play(prompt: str) -> Line:
        before, _, written = prompt.rpartition(OPENING)
        thought, answer = reply(before.rstrip("\n").rpartition("user: ")[2], sentences)
        whole = f"{thought}</think>{answer}"
        return Line(whole[len(written) :] if whole.startswith(written) else whole)

    options = Options(max_tokens=1 << 19, repetition_guard=False)
    relay = Relay(ScriptedEngine(play), ScriptedEngine(play), profile=PROFILE, options=options)
    settings = ServeSettings(port=0, running=streams)
    with listen(settings) as listener:
        configure()
        serve(relay, settings, Keys(), listener)


def reply(question: str, sentences: int) -> tuple[str, str]:
    """What the models think and answer."""
    steps = (f"Step {i} of {question}. " + ("Thus it is fine. " if i % 3 == 0 else "") for i in range(sentences))
    return "".join(steps), f"The answer to {question}"


async def measure(server: subprocess.Popen[str], streams: int, sentences: int) -> dict[str, Any]:
    assert server.stderr
    port = int(json.loads(next(line for line in server.stderr if '"listening"' in line))["url"].rpartition(":")[2])
    Thread(target=server.stderr.read, daemon=True).start()  # a full pipe would stop the server
    await ask(port, 0, sentences)  # the first request pays for imports
    memory, processor, began = resident(server.pid), processor_seconds(server.pid), time.perf_counter()
    peak = asyncio.create_task(watch(server.pid))
    chunks = sum(await asyncio.gather(*(ask(port, i, sentences) for i in range(streams))))
    seconds, processor = time.perf_counter() - began, processor_seconds(server.pid) - processor
    peak.cancel()
    (highest,) = await asyncio.gather(peak)
    return {
        "streams": streams,
        "all_exact": True,  # ask() would have raised
        "chunks": chunks,
        "microseconds_per_chunk": round(1e6 * processor / chunks, 1),
        "kibibytes_per_stream": round((max(highest, memory) - memory) / streams / 1024, 1),
        "server_mebibytes": round(memory / (1 << 20), 1),
        "seconds": round(seconds, 2),
        "python": platform.python_version(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "versions": {name: metadata.version(name) for name in ("starlette", "uvicorn", "httptools")},
    }


async def ask(port: int, number: int, sentences: int) -> int:
    """One stream, read to its end and compared. Returns how many chunks it had."""
    question = QUESTION.format(number)
    messages = [{"role": "user", "content": question}]
    body = json.dumps({"model": "relay", "stream": True, "messages": messages}).encode()
    headers = f"host: localhost\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\n{headers}".encode() + body)
    deltas = []
    while line := await reader.readline():
        if line.startswith(b"data: {"):
            deltas.append(json.loads(line[6:])["choices"][0]["delta"])
    writer.close()
    texts = tuple("".join(delta.get(kind, "") for delta in deltas) for kind in ("reasoning", "content"))
    if texts != reply(question, sentences):
        raise SystemExit(f"Stream {number} is not what the models wrote.")
    return len(deltas)


async def watch(pid: int) -> int:
    """The most memory that a process held until this task was cancelled, in bytes."""
    highest = 0
    try:
        while True:
            highest = max(highest, resident(pid))
            await asyncio.sleep(INTERVAL)
    except asyncio.CancelledError:
        return highest


def resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
