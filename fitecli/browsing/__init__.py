"""The store opened in a browser: Datasette with our descriptions, pictures and pages, read-only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from fitecli.errors import MissingPackage, UsageProblem

PORT = 8001


@dataclass(frozen=True)
class BrowseOptions:
    """port: 0 takes a free one. blur: no face is shown."""

    port: int = PORT
    blur: bool = False


def browse(db: str, options: BrowseOptions, ready: Callable[[str], None]) -> None:
    """Serve a store to browsers on this machine until it is interrupted.

    ready gets the address once it answers. Raises UsageProblem for a store on a server,
    MissingPackage without Datasette, AddressTaken where the port is in use, and what `open_store`
    raises.
    """
    from fitecli.store.database import store_url

    if store_url(db).get_backend_name() != "sqlite":
        raise UsageProblem(
            "`fite browse` opens SQLite stores; this one is on a PostgreSQL server. Ask it with "
            "`fite sql` or `fite show`, or with the server's own tools."
        )
    if find_spec("datasette") is None or find_spec("uvicorn") is None:
        raise MissingPackage("Browsing needs Datasette: pip install 'fitecli[browse]'.")
    from fitecli.browsing.server import listen, serve
    from fitecli.browsing.site import opened_site

    with listen(options.port) as door, opened_site(db, blur=options.blur) as site:
        serve(site.app, door, ready)


__all__ = ["PORT", "BrowseOptions", "browse"]
