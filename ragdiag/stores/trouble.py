"""What an engine's client raises, told in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from ragdiag.errors import RagdiagError, StoreError
from ragdiag.stores.uri import without_credentials

_LONGEST = 300  # characters of what the engine says


@contextmanager
def told(name: str, *, hint: str = "", secrets: Iterable[str] = ()) -> Iterator[None]:
    r"""Turn whatever an engine's client raises inside the block into one `StoreError`.

    Parameters
    ----------
    name : str
        Of the store, without credentials.
    hint : str
        What to do about it.
    secrets : iterable of str
        Passwords and keys that the engine may repeat in what it says.

    Raises
    ------
    StoreError
        Of one line, without credentials. The engine's own error is not chained: it may hold them.

    Examples
    --------
    >>> with told("pgvector:postgresql://host/db", hint="is the server there?", secrets=["s3cret"]):
    ...     raise OSError("connection of me:s3cret\n refused")
    Traceback (most recent call last):
    ragdiag.errors.StoreError: pgvector:postgresql://host/db: connection of me:*** refused: is the server there?
    """
    try:
        yield
    except RagdiagError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            said = said.replace(secret, "***")
        said = without_credentials(said)[:_LONGEST] or type(error).__name__
        trouble = StoreError(f"{name}: {said}", hint=hint)
    else:
        return
    raise trouble from None
