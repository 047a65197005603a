"""Handlers that children of tests run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from ragdiag.errors import StoreError

Handler = Callable[[bytes], bytes]


def echoes(path: str) -> Handler:
    """Return what it is asked; what it prints is no answer."""

    def answer(request: bytes) -> bytes:
        print("noise", flush=True)
        return request

    return answer


def sleeps(path: str) -> Handler:
    def answer(request: bytes) -> bytes:
        time.sleep(30)
        return request

    return answer


def refuses(path: str) -> Handler:
    raise StoreError("not this file", hint="try another")


def complains(path: str) -> Handler:
    def answer(request: bytes) -> bytes:
        raise StoreError("not this request", hint="ask again")

    return answer


def dies(path: str) -> Handler:
    def answer(request: bytes) -> bytes:
        os.abort()

    return answer
