"""Run a function that reads a file nobody vouches for in a process that may die of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from functools import partial
from typing import Any

from ragdiag.errors import StoreError

# The package's own __init__ files are kept out of the child: with everything they import it would
# take seconds to start. The parent's sys.path is taken over as it is, and -I keeps the working
# folder off it, where a file called faiss.py or json.py may lie beside the store.
_MAIN = """
import json, os, sys, types
job = json.loads(sys.stdin.buffer.readline())
out = os.fdopen(os.dup(1), "wb")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
sys.path[:] = job["sys_path"]
for name, folders in job["packages"]:
    sys.modules[name] = module = types.ModuleType(name)
    module.__path__ = folders
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = job["memory"] if hard < 0 else min(hard, job["memory"])
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
except (ImportError, ValueError, OSError):
    pass  # no such limits on this system
import importlib
from ragdiag.errors import StoreError
function = getattr(importlib.import_module(job["module"]), job["function"])
try:
    answer = {"result": function(job["path"])}
except StoreError as error:
    answer = {"message": error.message, "hint": error.hint}
if not job["serves"] or "message" in answer:
    out.write(json.dumps(answer).encode())
    out.flush()
    sys.exit()
import faulthandler
handler = answer["result"]
while len(head := sys.stdin.buffer.read(8)) == 8:
    asked = sys.stdin.buffer.read(int.from_bytes(head, "little"))
    faulthandler.dump_traceback_later(job["patience"], exit=True)
    try:
        kind, told = b"+", handler(asked)
    except StoreError as error:
        kind, told = b"-", json.dumps([error.message, error.hint]).encode()
    faulthandler.cancel_dump_traceback_later()
    out.write(kind + len(told).to_bytes(8, "little") + told)
    out.flush()
"""

PATIENCE = 300.0  # seconds for one request to a child that serves


def run_in_child(module: str, function: str, path: str, *, unreadable: str, memory_factor: int) -> Any:
    """Call ``module.function(path)`` in another process and return its result.

    Parameters
    ----------
    module, function : str
        What to call; the result must be JSON, and a `StoreError` raised there is raised here.
        The module is imported without the ``__init__`` of its packages.
    path : str
        Of the file.
    unreadable : str
        The error when the child dies, runs out of memory or never ends.
    memory_factor : int
        How many times the size of the file the child may need, on top of 4 GiB.

    Raises
    ------
    StoreError
        When the function raised one, or the child did not survive the file.
    """
    process = _started(module, function, path, memory_factor=memory_factor, serves=False)
    try:
        told, _ = process.communicate(timeout=60 + os.path.getsize(path) / 10e6)
        answer = json.loads(told) if process.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        answer = None
    finally:
        _ended(process)
    if answer is None:
        raise StoreError(f"{path} {unreadable}", hint="write it again")
    if "message" in answer:
        raise StoreError(answer["message"], hint=answer["hint"])
    return answer["result"]


class Child:
    """A process that answers requests about a file which may end it; it is started by the first request.

    Parameters
    ----------
    module, function : str
        ``module.function(path)`` is called there once and returns the handler, from bytes to bytes;
        a `StoreError` raised by either is raised here.
    path : str
        Of the file.
    dead : str
        The error when the child does not survive a request, or takes longer than `PATIENCE`.
    memory_factor : int
        As `run_in_child`.
    """

    def __init__(self, module: str, function: str, path: str, *, dead: str, memory_factor: int) -> None:
        self._start = partial(_started, module, function, path, memory_factor=memory_factor, serves=True)
        self._dead = StoreError(f"{path} {dead}", hint="build it again")
        self._process: subprocess.Popen[bytes] | None = None
        self._finish: weakref.finalize[Any, Any] | None = None
        self._lock = threading.Lock()

    def ask(self, request: bytes) -> bytes:
        """Return the answer to one request."""
        with self._lock:
            if self._process is None:
                self._process = self._start()
                self._finish = weakref.finalize(self, _ended, self._process)
            try:
                told = self._exchange(self._process, request)
            except OSError:
                told = None
            if told is None:
                self.close()
                raise self._dead
        return told

    def _exchange(self, process: subprocess.Popen[bytes], request: bytes) -> bytes | None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(len(request).to_bytes(8, "little") + request)
        process.stdin.flush()
        head = process.stdout.read(9)
        if head[:1] == b"{":  # the function has refused the file
            refused = json.loads(head + process.stdout.read())
            self.close()
            raise StoreError(refused["message"], hint=refused["hint"])
        size = int.from_bytes(head[1:], "little")
        told = process.stdout.read(size)
        if len(head) < 9 or len(told) < size:
            return None
        if head[:1] == b"-":
            message, hint = json.loads(told)
            raise StoreError(message, hint=hint)
        return told

    def close(self) -> None:
        """End the process; another request starts a new one."""
        if self._finish is not None:
            self._finish()
        self._process = self._finish = None


def _started(module: str, function: str, path: str, *, memory_factor: int, serves: bool) -> subprocess.Popen[bytes]:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    try:
        job = {
            "sys_path": [os.path.abspath(entry) for entry in sys.path],
            "packages": [["ragdiag", [package]], ["ragdiag.stores", [os.path.join(package, "stores")]]],
            "memory": memory_factor * os.path.getsize(path) + (4 << 30),
            "module": module,
            "function": function,
            "path": os.path.abspath(path),
            "serves": serves,
            "patience": PATIENCE,
        }
        # One thread: the address space that thread pools reserve would count as memory.
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", _MAIN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
    except OSError as error:
        raise StoreError(f"no Python process could be started to read {path} ({error})") from error
    assert process.stdin is not None
    with suppress(OSError):  # it has died already, which its answer will tell
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
    return process


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # what was not sent stays unsent
                pipe.close()
