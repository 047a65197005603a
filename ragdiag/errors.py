"""Every error ragdiag raises on purpose: one root, each also the builtin it resembles, each with a hint."""

from __future__ import annotations


class RagdiagError(Exception):
    """Root of all errors that ragdiag raises on purpose.

    Parameters
    ----------
    message : str
        What is wrong, in one sentence, naming the thing that is wrong.
    hint : str, optional
        What to do about it.

    Examples
    --------
    >>> print(StoreError("./x.npy is empty", hint="write at least two vectors"))
    ./x.npy is empty: write at least two vectors
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message}: {hint}" if hint else message)


class StoreError(RagdiagError, ValueError):
    """A store whose content cannot be used: empty, truncated, of the wrong kind."""


class StoreNotFoundError(RagdiagError, FileNotFoundError):
    """A store's path or collection that does not exist."""

    __str__ = Exception.__str__  # FileNotFoundError formats errno, which we do not have


class TargetExistsError(RagdiagError, FileExistsError):
    """Something is already there where a new store is to be written."""

    __str__ = Exception.__str__  # as above


class UnknownStoreError(RagdiagError, LookupError):
    """A URI scheme or an object that no adapter opens."""


class MissingExtraError(RagdiagError, ImportError):
    """A library that an optional feature needs is not installed; the hint names the extra."""


class PluginError(RagdiagError, RuntimeError):
    """A third-party adapter that cannot be loaded, or two that claim one name."""


class VectorsError(RagdiagError, ValueError):
    """Vectors of the wrong shape, type or dimension."""


class JudgementsError(RagdiagError, ValueError):
    """Queries or judgements that cannot be read or used."""


class EmbeddingsError(RagdiagError, ValueError):
    """An embedding model that cannot be named, loaded or used."""


class ConfigError(RagdiagError, ValueError):
    """An option or a setting in pyproject.toml that makes no sense."""


class SimilarityError(RagdiagError, ValueError):
    """A similarity that cannot be named or built, or that must not be fitted on what there is."""


class ArtefactError(RagdiagError, ValueError):
    """The artefact of a fix that cannot be read, or that belongs to other vectors."""


class PromiseError(RagdiagError, ArithmeticError):
    """A new store that would not rank as its similarity does; it was not put in its place."""


class NothingProvenError(RagdiagError, LookupError):
    """No remedy was proven better, so that there is nothing to apply."""


class RecordError(RagdiagError, ValueError):
    """A record of live retrievals that cannot be read or used, or something whose retrievals cannot be recorded."""


class AuditFileError(RagdiagError, ValueError):
    """The JSON of an audit that cannot be read: cut off, of another program or of an unknown version."""


class IncomparableError(RagdiagError, ValueError):
    """Two audits that say nothing about each other: another dimension, metric, k, model or set of queries."""
