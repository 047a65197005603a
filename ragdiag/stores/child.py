"""Run a function that reads a file nobody vouches for in a process that may die of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from ragdiag.errors import StoreError

# The package's own __init__ files are kept out of the child: with everything they import it would
# take seconds to start. The parent's sys.path is taken over as it is, and -I keeps the working
# folder off it, where a file called faiss.py or json.py may lie beside the store.
_MAIN = """
import json, sys, types
job = json.load(sys.stdin)
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
sys.stdout.write("\\n" + json.dumps(answer))
sys.stdout.flush()
"""


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
    size = os.path.getsize(path)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    job = {
        "sys_path": [os.path.abspath(entry) for entry in sys.path],
        "packages": [["ragdiag", [package]], ["ragdiag.stores", [os.path.join(package, "stores")]]],
        "memory": memory_factor * size + (4 << 30),
        "module": module,
        "function": function,
        "path": os.path.abspath(path),
    }
    # One thread: the address space that thread pools reserve would count as memory.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _MAIN],
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=60 + size / 10e6,
            env=environment,
            check=False,
        )
        answer = json.loads(done.stdout.rpartition(b"\n")[2]) if done.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        answer = None
    except OSError as error:
        raise StoreError(f"no Python process could be started to examine {path} ({error})") from error
    if answer is None:
        raise StoreError(f"{path} {unreadable}", hint="write it again")
    if "message" in answer:
        raise StoreError(answer["message"], hint=answer["hint"])
    return answer["result"]
