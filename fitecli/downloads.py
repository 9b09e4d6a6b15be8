"""Files fetched from the web whole and right, and the record of their checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from fitecli.errors import DownloadFailed

SUMS = "SHA256SUMS"  # of a folder's files, in the format of `sha256sum`
CHUNK = 1 << 20  # bytes
TIMEOUT = 60  # seconds without a byte
LIMIT = 4 << 30  # bytes of a file of which nothing is known
UNSATISFIABLE = 416
Progress = Callable[[int, int], None]  # bytes here, bytes in all (0 where that is not known)


def fetch(
    address: str,
    path: Path,
    sha256: str | None = None,
    *,
    most: int = LIMIT,
    progress: Progress = lambda here, total: None,
) -> str:
    """Fetch a file and return its sha256; what an earlier try brought is not fetched again.

    It grows as `path.part` and gets its name when it is whole and has the sha256, if one is told.
    most: bytes that it may have. Raises DownloadFailed; after a break the part is kept, after a wrong
    sha256 or too many bytes nothing is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        try:
            _grow(address, part, most, progress, pinned=sha256 is not None)
        except HTTPError as error:
            if error.code != UNSATISFIABLE or not part.exists():
                raise
            error.close()
            part.unlink()  # it is longer than the file, or just as long
            _grow(address, part, most, progress, pinned=sha256 is not None)
    except (OSError, HTTPException) as exc:
        raise DownloadFailed(f"{address} cannot be fetched ({exc}).") from exc
    _version(part).unlink()
    found = sha256_of(part)
    if sha256 is not None and found != sha256:
        part.unlink()
        raise DownloadFailed(f"{address} is not the pinned file (its sha256 is {found}).")
    part.replace(path)
    return found


def _grow(address: str, part: Path, most: int, progress: Progress, *, pinned: bool) -> None:
    """Append to a part what it lacks; a server that sends the whole file again starts it anew.

    Where no sha256 is pinned, a part only grows while the server has the same version (ETag).
    """
    version = _version(part)
    known = version.read_text("utf-8") if version.exists() else ""
    have = part.stat().st_size if part.exists() and (known or pinned) else 0
    wanted = {"Range": f"bytes={have}-"} if have else {}
    if have and known:
        wanted["If-Range"] = known
    request = Request(address, headers=wanted)  # noqa: S310 - our own addresses, all https
    with build_opener(Redirects).open(request, timeout=TIMEOUT) as response:
        if not _goes_on(response, have):
            have = 0
            part.write_bytes(b"")  # before its version is another
        version.write_text(str(response.headers.get("ETag") or ""), "utf-8")
        rest = response.headers.get("Content-Length")
        total = have + int(rest) if rest else 0
        with part.open("ab") as file:
            while max(have, total) <= most and (chunk := response.read(CHUNK)):
                file.write(chunk)
                have += len(chunk)
                progress(have, total)
    if max(have, total) > most:
        part.unlink()
        _version(part).unlink()
        raise DownloadFailed(
            f"{address} is larger than it may be ({most:,} bytes); nothing is kept."
        )
    if have < total:
        raise ConnectionError(f"it broke off after {have:,} of {total:,} bytes")


class Redirects(HTTPRedirectHandler):
    """Follows redirects, but never from https to what others can read and change on the way."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """See HTTPRedirectHandler."""
        if req.type == "https" and not newurl.lower().startswith("https:"):
            raise HTTPError(req.full_url, code, f"it leads to {newurl}, without TLS", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _version(part: Path) -> Path:
    """The file that tells which version a part is of."""
    return part.with_name(part.name + ".version")


def _goes_on(response: Any, have: int) -> bool:
    """Whether an answer begins where the part ends."""
    return str(response.headers.get("Content-Range", "")).startswith(f"bytes {have}-")


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def recorded(folder: Path) -> dict[str, str]:
    """File name -> sha256, as the folder's SHA256SUMS tells; empty where there is none."""
    with suppress(FileNotFoundError):
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return {}


def record(folder: Path, sums: Mapping[str, str]) -> None:
    """Add files to the folder's SHA256SUMS."""
    known = sorted((recorded(folder) | dict(sums)).items())
    part = folder / f"{SUMS}.part"
    part.write_text("".join(f"{digest}  {name}\n" for name, digest in known), "utf-8")
    part.replace(folder / SUMS)
