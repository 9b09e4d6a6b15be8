"""The tree of named errors: each says what happened and what to type next, and owns its exit code."""

from __future__ import annotations


class FiteError(Exception):
    """A failure that the user can understand and act upon; anything else is a bug of ours."""

    exit_code = 1


class UsageProblem(FiteError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class Incomplete(FiteError):
    """The work is finished, but some records failed; each of them was told."""

    exit_code = 3


class UnreadableSource(FiteError):
    """A file of tweets cannot be read at all (missing, binary, or of no known format)."""


class Unwritable(FiteError):
    """A file or folder for the answer cannot be written; what it replaces is as it was."""


class UnreadableImage(FiteError):
    """A picture cannot be used; the message names the file and the reason."""


class MissingWeights(FiteError):
    """Model weights are not on disk and cannot be fetched; the message says how to bring them."""


class DownloadFailed(FiteError):
    """A file could not be fetched, or is not the one that was asked for."""


class UploadFailed(FiteError):
    """A model could not be brought to the hub; the message says what to do."""


class DamagedWeights(FiteError):
    """Files of model weights are not what they were; the message names the command that mends it."""


class MissingPackage(FiteError):
    """A package of an optional part is not installed; the message says how to install it."""


class BrokenPlugIn(FiteError):
    """A plug-in of another package cannot be used; the message names the package."""


class EngineFailed(FiteError):
    """The engine that spreads work over machines cannot be used, or lost a part of the work."""


class AddressTaken(FiteError):
    """A port of this machine cannot be listened at; the message names one that can."""


class StoreError(FiteError):
    """Something is wrong with the store itself."""


class StoreOutdated(StoreError):
    """The store has an older schema than this version of fite."""


class StoreTooNew(StoreError):
    """The store was written by a newer version of fite."""


class NotAStore(StoreError):
    """There is no store at this place, or what is there is something else."""


class StoreBusy(StoreError):
    """Another process held the store's write lock for too long."""


class StoreFull(StoreError):
    """The disk is full or cannot be written; the batch was rolled back."""


class QueryRefused(StoreError):
    """The SQL is wrong, or would have changed something."""


class NoExamples(FiteError):
    """There is nothing to train on, evaluate or classify in the chosen rows."""


class NotAModel(FiteError):
    """The folder holds no checkpoint or exported model that can be loaded."""


class ShapeMismatch(FiteError):
    """Two arrays that belong together differ in shape."""


class ParityFailure(FiteError):
    """The exported model disagrees with the checkpoint it was made from."""
