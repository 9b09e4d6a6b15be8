"""Only this machine's own pages get an answer, and none runs a foreign script."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import urlencode

import pytest

from fitecli.browsing.guard import refusal
from fitecli.browsing.metadata import NAME
from tests.browsing.conftest import SCRIPT, Asking

PAGES = (f"/{NAME}", f"/{NAME}/predictions", f"/{NAME}/surest_faces", f"/{NAME}?sql=select+1",
         "/nothing", f"/{NAME}/tweet.json", "/-/static/app.css", "/-/fite/face?tweet=1")  # fmt: skip


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8001", "127.0.0.1", "localhost:8001", "LOCALHOST", "[::1]:8001"]
)
def test_our_own_names_are_answered(host: str, site: Asking) -> None:
    assert site(f"/{NAME}", host=host).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8001", "localhost.evil.example", "127.0.0.1.evil.example",
     "127.0.0.1@evil.example", "localhost:8001:1", "", "192.168.0.1:8001", "xlocalhost", "localhost."],
)  # fmt: skip
def test_a_name_that_was_rebound_to_this_machine_is_refused(host: str, site: Asking) -> None:
    for path in PAGES:
        answer = site(path, host=host)
        assert answer.status_code == 403
        assert answer.text == "This store is only served to this machine, at http://127.0.0.1.\n"


def test_two_names_or_none_are_no_name_of_ours() -> None:
    def asked(*hosts: bytes) -> dict[str, object]:
        return {"method": "GET", "headers": [(b"Host", host) for host in hosts]}

    assert refusal(asked(b"localhost")) is None
    assert refusal(asked(b"localhost", b"evil.example")) is not None
    assert refusal(asked(b"localhost", b"localhost")) is not None
    assert refusal(asked()) is not None


@pytest.mark.parametrize("relation", ["cross-site", "same-site"])
def test_other_sites_pages_get_nothing(relation: str, site: Asking) -> None:
    told = {"sec_fetch_site": relation}
    assert site(f"/{NAME}", **told, sec_fetch_dest="image").status_code == 403
    assert site(f"/{NAME}", **told, sec_fetch_dest="iframe").status_code == 403
    assert site(f"/{NAME}", **told, sec_fetch_dest="document").status_code == 200  # a link
    assert site(f"/{NAME}", sec_fetch_site="none", sec_fetch_dest="document").status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_has_the_strict_headers(path: str, site: Asking) -> None:
    for host in ("localhost", "evil.example"):
        headers = site(path, host=host, origin="http://evil.example").headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert re.search(r"script-src 'nonce-[\w-]{20,}';", policy)
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", PAGES[:5])
def test_all_scripts_of_a_page_carry_its_nonce_which_is_another_each_time(
    path: str, site: Asking
) -> None:
    nonces = set()
    for _ in range(2):
        answer = site(path)
        policy = answer.headers["content-security-policy"]
        nonces.add(nonce := re.search(r"'nonce-([\w-]+)'", policy)[1])
        scripts = re.findall(r"<script[^>]*>", answer.text)
        assert scripts
        assert all(f'nonce="{nonce}"' in script for script in scripts), path
    assert len(nonces) == 2


def test_what_tweets_hold_is_text_everywhere(hostile: Asking) -> None:
    for path in (f"/{NAME}/tweet", f"/{NAME}/aspect", f"/{NAME}/predictions",
                 f"/{NAME}/face_descriptions", f"/{NAME}/tweet_aspects", f"/{NAME}/worst_felt",
                 f"/{NAME}/labels", f"/{NAME}?sql=select+*+from+predictions"):  # fmt: skip
        page = hostile(path).text
        assert SCRIPT not in page, path
        assert "<i>" not in page, path
        assert "<b>" not in page, path
    assert "&lt;script&gt;alert(1)" in hostile(f"/{NAME}/predictions").text


@pytest.mark.parametrize("how", [".csv?", ".csv?_dl=1&", ".csv?_stream=on&"])
def test_csv_of_a_page_runs_nothing_in_a_spreadsheet(how: str, site: Asking) -> None:
    answer = site(f"/{NAME}{how}sql=select+'=1%2B1'+as+a,+'@b, \"c\"'+as+b,+-1+as+c")
    assert answer.status_code == 200
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["a", "b", "c"], ["'=1+1", "'@b, \"c\"", "-1"],
    ]  # fmt: skip
    site(f"/{NAME}/tweet.csv?_size=max")  # and what is there comes


def test_a_query_takes_neither_all_memory_nor_all_time(site: Asking) -> None:
    many = "with recursive t(n) as (select 1 union all select n + 1 from t)"
    for sql in ("select zeroblob(200000)", "select hex(zeroblob(100000))"):
        answer = site(f"/{NAME}.json?{urlencode({'sql': sql})}").json()
        assert (answer["error"], answer.get("rows")) == ("string or blob too big", [])
    answer = site(f"/{NAME}.json?{urlencode({'sql': f'{many} select n from t'})}")
    assert len(answer.json()["rows"]) == 1000
    answer = site(f"/{NAME}.json?{urlencode({'sql': f'{many} select count(*) from t'})}")
    assert answer.status_code == 400
    assert "took too long" in answer.text
