"""Runs checks one by one, prints a line for each and the counts as the last line, in a form that run.ts reads."""

import argparse
import asyncio
import inspect
import os
from urllib.parse import urlsplit

import numpy as np

WIDTH = 16
UNKNOWN_MODEL = "no_such_model_anywhere"


class Skip(Exception):
    """The target lacks what the check needs."""


def arguments():
    """--url of the server; the key comes from the environment, so that no process list shows it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", default="simple")
    parser.add_argument("--string-model", default="simple_string")
    parser.add_argument("--identity-prefix", default="identity_")
    parser.add_argument("--control-model", help="a model that may be unloaded and loaded again")
    flags = parser.parse_args()
    parts = urlsplit(flags.url)
    flags.secure = parts.scheme == "https"
    flags.authority = parts.netloc + parts.path.rstrip("/")
    flags.token = os.environ.get("CONFORMANCE_BEARER", "")
    return flags


def pair(batch=1, seed=None):
    """Two random INT32 tensors, so that no cache can answer, and the sum and difference that must come back."""
    random = np.random.default_rng(seed)
    left, right = (random.integers(-100_000, 100_000, (batch, WIDTH), dtype=np.int32) for _ in range(2))
    return left, right, left + right, left - right


def expect(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


def expect_equal(actual, expected, what):
    expect(actual is not None, f"{what} is not there")
    expect(np.array_equal(actual, expected), f"{what}: expected {expected!r}, got {actual!r}")


def run(client, checks):
    """`checks` are (name, function) pairs; a function may be a coroutine function. Returns the exit status."""

    async def all_of_them():
        counts = {"pass": 0, "fail": 0, "skip": 0}
        for name, check in checks:
            outcome, reason = "pass", ""
            try:
                waiting = check()
                if inspect.isawaitable(waiting):
                    await waiting
            except Skip as skipped:
                outcome, reason = "skip", str(skipped)
            except Exception as error:
                outcome, reason = "fail", f"{type(error).__name__}: {error}"
            counts[outcome] += 1
            print(f"{outcome:4}  {client}: {name}{f'  ({reason[:600]})' if reason else ''}", flush=True)
        print(f"total {counts['pass']} pass {counts['fail']} fail {counts['skip']} skip", flush=True)
        return 1 if counts["fail"] else 0

    return asyncio.run(all_of_them())
