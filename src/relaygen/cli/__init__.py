"""The command line. Commands load lazily, so that `relaygen --help` imports none of them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError

from relaygen import __version__

app = App(
    name="relaygen",
    help="One answer, two models: a large reasoning model keeps the hard stretches, a small one writes the rest.",
    version=__version__,
    help_format="plaintext",  # the others cost a tenth of a second
    suppress_keyboard_interrupt=False,
)
COMMANDS = {
    "run": "Answer one question.",
    "demo": "Compare large, small and the relay on held-out problems.",
    "serve": "Serve an OpenAI-compatible endpoint, and a page that shows who writes what.",
    "eval": "Run policies on the same problems and log every result.",
    "report": "Turn an evaluation into one HTML page and tables.",
    "compare": "Compare two evaluations, policy by policy.",
    "bench": "Measure latency and throughput under load.",
    "calibrate": "Find the switch cues of a pair.",
    "profile": "Look at profiles: show, diff, merge, check.",
    "check": "Try out the servers or models of a pair.",
    "convert": "Make a local model from a Hugging Face one.",
    "train-router": "Train a router for a pair: R2R.",
    "policies": "List the policies.",
}
for name, summary in COMMANDS.items():
    function = name.replace("-", "_")
    app.command(f"relaygen.cli.{function}:{function}", name=name, help=summary)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command. Exit code 2 for what the user can mend, 1 for an engine that failed, 130 for Ctrl-C."""
    from relaygen.errors import EngineError, RelayError

    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            given = arguments if arguments is None else list(arguments)
            app(given, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
    except CycloptsError as error:
        error.verbose = False
        _fail(error, 2)
    except EngineError as error:
        _fail(error, 1)
    except RelayError as error:
        _fail(error, 2)
    except BrokenPipeError:
        # The reader of our output has gone. What is left of it must not be tried again when the interpreter exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except KeyboardInterrupt:
        _fail("interrupted", 130)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    """A warning as one sentence, without the place in the code."""
    print(f"relaygen: {message}", file=sys.stderr)


def _fail(message: object, code: int) -> NoReturn:
    """One line, whatever libraries put into their messages."""
    print("relaygen:", " ".join(str(message).split()), file=sys.stderr)
    sys.exit(code)
