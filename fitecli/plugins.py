"""Plug-ins: classes of other packages that a room finds by name, through entry points.

A distribution names a class under one of the groups fitecli.sources, fitecli.faces,
fitecli.captions and fitecli.alignment. Nothing is looked for while a name is built in, and nothing
is imported before it is used. CONTRIBUTING.md shows one of each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

from fitecli.errors import BrokenPlugIn, FiteError, UsageProblem
from fitecli.records import Worker

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

SETTING = "plugin"  # of a worker: the distribution that brought it and its version


@dataclass(frozen=True)
class PlugIn:
    """A class that a distribution offers under a name. target: module:class."""

    name: str
    target: str
    distribution: str
    entry: EntryPoint

    @property
    def title(self) -> str:
        """How messages call it."""
        return f"The plug-in {self.name!r} ({self.target}) of {self.distribution}"

    @property
    def package(self) -> str:
        """The distribution without its version."""
        return self.distribution.rsplit(" ", 1)[0]

    def broken(self, reason: str) -> BrokenPlugIn:
        """The error that names the distribution and what mends it."""
        return BrokenPlugIn(
            f"{self.title} {reason}. Mend it, or `pip uninstall {self.package}`; "
            "`fite doctor` lists all plug-ins."
        )


@dataclass(frozen=True)
class Room:
    """The names of one room: those that are built in, and those that plug-ins bring.

    what: how messages call one ("face analyser"). interface: where the class that a plug-in must
    offer is described, methods: what it must have. kind: of its workers, None where nothing of it
    is computed.
    """

    what: str
    group: str
    builtin: Sequence[str]
    interface: str
    methods: Sequence[str]
    kind: str | None = None

    def plugins(self) -> list[PlugIn]:
        """Every plug-in that is installed for this room, by name; nothing is imported."""
        from importlib import metadata  # not at the top: a start without plug-ins is quicker

        found = [
            PlugIn(entry.name, entry.value, f"{entry.dist.name} {entry.dist.version}", entry)
            for entry in metadata.entry_points(group=self.group)
            if entry.dist is not None
        ]
        return sorted(found, key=lambda plugin: (plugin.name, plugin.distribution))

    def find(self, name: str) -> PlugIn | None:
        """The plug-in of a name; None where the name is built in or there is none.

        Raises BrokenPlugIn where several distributions offer the name.
        """
        if name in self.builtin:
            return None
        found = [plugin for plugin in self.plugins() if plugin.name == name]
        if len(found) > 1:
            raise ambiguous(found)
        return found[0] if found else None

    def check(self, name: str) -> None:
        """Raises UsageProblem for a name that is neither built in nor a plug-in's."""
        if name not in self.builtin and self.find(name) is None:
            raise self.unknown(name)

    def unknown(self, name: str) -> UsageProblem:
        """The error that tells which names there are."""
        names = dict.fromkeys((*self.builtin, *(plugin.name for plugin in self.plugins())))
        return UsageProblem(f"There is no {self.what} {name!r}; choose one of {', '.join(names)}.")

    def load(self, plugin: PlugIn) -> type:
        """Import the class of a plug-in; raises BrokenPlugIn where it keeps no promise."""
        try:
            found = plugin.entry.load()
        except (Exception, SystemExit) as exc:
            raise plugin.broken(f"cannot be imported: {told(exc)}") from exc
        if not inspect.isclass(found):
            raise plugin.broken("is no class")
        lacking = [name for name in self.methods if not callable(getattr(found, name, None))]
        lacking += sorted(set(getattr(found, "__abstractmethods__", ())) - set(lacking))
        if lacking:
            raise plugin.broken(f"lacks {', '.join(lacking)}: see {self.interface}")
        return found

    def open(self, plugin: PlugIn, *words: Any) -> Any:
        """Make a plug-in's class; its worker then carries the name and the distribution's version.

        words: what the constructor takes. Errors of our own tree pass; any other one, now or when it
        works, is a BrokenPlugIn.
        """
        kind = self.load(plugin)
        try:
            made = kind(*words)
            if self.kind is not None:
                made.worker = self._signed(plugin, getattr(made, "worker", None))
                for name in self.methods:
                    setattr(made, name, _answered_for(plugin, getattr(made, name)))
        except FiteError:
            raise
        except Exception as exc:
            raise plugin.broken(f"cannot be opened: {told(exc)}") from exc
        return made

    def _signed(self, plugin: PlugIn, worker: Any) -> Worker:
        """The worker under the plug-in's name; another version of the distribution is another one."""
        if not isinstance(worker, Worker) or worker.kind != self.kind:
            raise plugin.broken(f"has no `worker` of the kind {self.kind!r}: see {self.interface}")
        settings = {**worker.settings, SETTING: plugin.distribution}
        return replace(worker, name=plugin.name, settings=settings)


def _answered_for(plugin: PlugIn, method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a plug-in whose errors name it, and the line of its code that raised them."""

    @wraps(method)
    def call(*words: Any, **more: Any) -> Any:
        try:
            found = method(*words, **more)
            return list(found) if isinstance(found, Iterator) else found
        except FiteError:
            raise
        except (Exception, SystemExit) as exc:
            place = extract_tb(exc.__traceback__)[-1]
            where = f"{Path(place.filename).name}, line {place.lineno}"
            raise plugin.broken(f"failed in {method.__name__} ({where}): {told(exc)}") from exc

    return call


def ambiguous(found: Sequence[PlugIn]) -> BrokenPlugIn:
    """The error for plug-ins of one name."""
    distributions = " and ".join(plugin.distribution for plugin in found)
    return BrokenPlugIn(
        f"The plug-in {found[0].name!r} is offered more than once, by {distributions}: "
        "`pip uninstall` all but one."
    )


def told(exc: BaseException) -> str:
    """An error of another package in one line: its kind and what it says."""
    return f"{type(exc).__name__}: {exc}".rstrip(".: ")
