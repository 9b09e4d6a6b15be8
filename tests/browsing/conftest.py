"""Stores that were made by the demo's own road, and a browser's requests without a browser."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from fitecli.browsing.site import opened_site
from fitecli.pipeline.classify import ClassifyJob
from fitecli.pipeline.demo import demo
from fitecli.pipeline.extract import Extractor
from fitecli.pipeline.ingest import ingest
from fitecli.pipeline.predicting import WITHOUT_TORCH, ClassifyOptions
from fitecli.settings import Settings
from fitecli.store import Scope, open_store
from tests.conftest import DEMO

HOST = "127.0.0.1:8001"
SCRIPT = "<script>alert(1)</script>"
HOSTILE = 'it"s <b>&me'  # the id of a tweet whose every part wants to break out of a page


class Asking:
    """What a browser would ask a site."""

    def __init__(self, app: object) -> None:
        self._app = app

    def __call__(self, path: str, *, method: str = "GET", host: str = HOST, **headers: str):
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                return await client.request(method, path, headers={"Host": host, **named})

        with ThreadPoolExecutor(1) as aside:  # Playwright's loop runs in this thread
            return aside.submit(asyncio.run, ask()).result()

    def rows(self, path: str) -> list[dict[str, object]]:
        """The rows of a table, view or query."""
        answer = self(path)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    settings = Settings(db=str(folder / "fite.db"), models=folder / "models", offline=True)
    return Path(demo(folder, settings).store)


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tweets that want to break out of pages; of two pictures one is gone, one is broken."""
    folder = tmp_path_factory.mktemp("100% #1?mode=rw")
    for name in ("a.jpg", "<b>.jpg", "c.jpg"):
        shutil.copyfile(DEMO / "pictures" / "joined.jpg", folder / name)
        with (folder / name).open("ab") as file:
            file.write(name.encode())  # another picture each
    entries = [
        {"id": HOSTILE, "text": f"{SCRIPT} Grace Hopper", "aspects": ["Grace Hopper", SCRIPT],
         "images": ["a.jpg", "<b>.jpg"]},
        {"id": "2", "text": "Grace Hopper", "aspects": ["Grace Hopper"], "images": ["c.jpg"]},
    ]  # fmt: skip
    lines = folder / "t.jsonl"
    lines.write_text("\n".join(json.dumps(entry) for entry in entries))
    settings = Settings(db=str(folder / "my store.db"), models=folder / "models", offline=True)
    with open_store(settings.db) as store:
        ingest(store, lines, dataset="<i>", images=folder, threads=1)
        Extractor(store, WITHOUT_TORCH, settings, lambda message: None).run(Scope("<i>"))
        job = ClassifyJob(store, ClassifyOptions(threads=1), settings, lambda message: None)
        assert len(list(job.dataset("<i>", None))) == 2
    (folder / "<b>.jpg").unlink()
    (folder / "c.jpg").write_bytes(b"no picture any more")
    return Path(settings.db)


@pytest.fixture(scope="module")
def site(demo_store: Path) -> Iterator[Asking]:
    with opened_site(str(demo_store), blur=False) as opened:
        yield Asking(opened.app)


@pytest.fixture
def hostile(hostile_store: Path) -> Iterator[Asking]:
    with opened_site(str(hostile_store), blur=False) as opened:
        yield Asking(opened.app)
