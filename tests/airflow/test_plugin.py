"""The page within Airflow: for whom it is, and what it reads."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit
from uuid import uuid4

import pytest

from tests.support.api import THREE
from tests.support.changes import compare, comparing
from tests.support.dags import dag_of
from tests.support.days import noon, today, yesterday
from tests.support.html import shown
from tests.support.landing import land, operator
from tests.support.pushing import confirm, opt_outs, push
from tests.support.runs import AIRFLOW, links_of, run_by_hand
from tests.support.snapshots import put_snapshot
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow before 3.1 has no place for pages"),
]

PAGE = "/mailpartner/"


@pytest.fixture
def token(webserver):
    """A function that returns a token for a user of a role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def token(role):
        return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="zoe", role=role))

    return token


@pytest.fixture
def see_html(webserver, token, monkeypatch):
    """A function that opens the page with these destinations, and returns it."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as Airflow's own server sets

    def see_html(*destinations, **asked):
        variable = json.dumps(list(map(str, destinations)))
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_DESTINATIONS", variable)
        answer = webserver.get(PAGE, params=asked, headers=bearing(token("VIEWER")))
        assert 200 == answer.status_code
        return answer.text

    return see_html


@pytest.fixture
def see(see_html):
    """A function that opens the page with these destinations, and returns its texts."""
    return lambda *destinations, **asked: shown(see_html(*destinations, **asked))[0]


@pytest.fixture
def held_up(bucket):
    """A store that answers no question about the folder ``slow`` before the test is over."""
    over = threading.Event()

    def hold(request):
        if "slow" in request.environ["QUERY_STRING"]:
            over.wait(PATIENCE_SECONDS)
        return request.answer()

    bucket.fault = hold
    yield f"s3://aws_default@lake/slow/{uuid4()}"  # or a read of another test would be joined
    over.set()


def query_of(link):
    """Return the arguments of a link to the page."""
    return dict(parse_qsl(urlsplit(link).query))


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


class TestAccess:
    @pytest.mark.parametrize("path", [PAGE, f"{PAGE}?uri=file:///lake", f"{PAGE}?day=never"])
    def test_nobody(self, webserver, path):
        """A user who is not logged in sees nothing."""
        assert 401 == webserver.get(path).status_code

    def test_forged(self, webserver):
        """A token that Airflow did not give is refused."""
        assert 403 == webserver.get(PAGE, headers=bearing("e30.e30.e30")).status_code

    def test_without_role(self, webserver, token):
        """Somebody who may not see assets may not see landings."""
        assert 403 == webserver.get(PAGE, headers=bearing(token(None))).status_code

    def test_session(self, webserver, token):
        """The cookie of Airflow's pages opens the page, which no cache keeps, and which loads and
        runs nothing."""
        answer = webserver.get(PAGE, headers={"Cookie": f"_token={token('VIEWER')}"})

        assert 200 == answer.status_code
        assert "no-store" == answer.headers["Cache-Control"]
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; style-src 'unsafe-inline'" == policy

    @pytest.mark.parametrize("path", ["docs", "redoc", "openapi.json"])
    def test_only_one_page(self, webserver, path):
        """There is nothing else than the page."""
        assert 404 == webserver.get(f"{PAGE}{path}").status_code

    def test_in_the_menu(self, webserver, token):
        """Airflow's own menu has it."""
        answer = webserver.get("/api/v2/plugins", headers=bearing(token("ADMIN"))).json()

        (plugin,) = (each for each in answer["plugins"] if each["name"] == "mailpartner")
        (view,) = plugin["external_views"]
        assert ("Mail Partner", PAGE, "nav") == (view["name"], view["href"], view["destination"])


class TestPage:
    def test_landed(self, api, lake, tmp_path, see):
        """A landing of today is shown as such, beside a destination without any landing."""
        land(lake)

        texts = see(lake, tmp_path / "other")

        assert str(lake) in texts
        assert "2 destinations: 1 late, 1 landed" in texts
        assert any(text.startswith("Landed today, ") for text in texts)
        assert "Nothing landed yet" in texts

    def test_in_s3(self, api, bucket, see):
        """Destinations in S3 are read as the operator writes them."""
        land("s3://aws_default@lake/unsubscribes")

        texts = see("s3://aws_default@lake/unsubscribes")

        assert any(text.startswith("Landed today, ") for text in texts)

    def test_receipts_only(self, api, lake, see):
        """The page needs no partition, and names nobody."""
        land(lake)
        lake.partition().unlink()

        texts = see(lake)

        assert str(today()) in texts
        assert not [text for text in texts if "example.com" in text]

    def test_changes(self, lake, feed, see):
        """The counts of a change feed stand beside the snapshots that it compares."""
        people = [(key, f"p{key}@example.com", None, None) for key in range(7)]
        put_snapshot(lake, yesterday(), people[:5])
        put_snapshot(lake, today(), people[1:], uri=f"file://{lake.partition()}")
        compare(lake, feed)

        texts = see(lake, feed)

        row = texts.index(str(today()), texts.index("Task run"))
        assert ["6", "+2", "−1"] == texts[row + 3 : row + 6]
        assert str(feed) not in texts

    def test_pushed(self, api, lake, tmp_path, see, see_html):
        """A push stands below the landings, the newest first; once the next landing has confirmed
        it, with that, and with a link to its task run."""
        land(lake)
        push(lake, opt_outs(tmp_path / "first", ["zoe@example.com", "anne@example.com"]))
        land(lake)
        confirm(lake)
        push(lake, opt_outs(tmp_path / "second", ["no address"]), run=2)

        texts = see(lake)

        rows = texts[texts.index("Task run", texts.index("Pushed to Mail Partner")) + 1 :]
        assert ["1", "0", "0", "1", "–", "–", "not yet", "open"] == rows[1:9]
        assert ["2", "1", "1", "0", "1", "0", str(today()), "open"] == rows[10:18]
        assert not [text for text in texts if "example.com" in text]
        assert 'href="/dags/dag/runs/run%202/tasks/push"' in see_html(lake)

    def test_only_pushes(self, api, lake, tmp_path, see):
        """A destination of pushes alone is not late."""
        land(lake)
        elsewhere = tmp_path / "pushes"
        push(lake, opt_outs(tmp_path / "given", ["zoe@example.com"]), destination=str(elsewhere))

        texts = see(lake, elsewhere)

        assert "2 destinations: 1 landed, 1 pushed" in texts
        assert f"Last push on {today()}: 1 added" in texts

    @pytest.mark.parametrize("text", ["{", "{}", '"given"', "[]", '{"given": "<b>"}'])
    @pytest.mark.parametrize("ending", [".json", ".confirmed.json"])
    def test_odd_push(self, api, lake, tmp_path, see, ending, text):
        """A push that cannot be shown is one line, and the landings are shown."""
        land(lake)
        push(lake, opt_outs(tmp_path / "given", ["zoe@example.com"]))
        land(lake)
        confirm(lake)
        (name,) = (
            each for each in lake.files() if re.fullmatch(rf"_pushes/[^.]+\.\w+{ending}", each)
        )
        (Path(str(lake)) / name).write_text(text)

        texts = see(lake)

        assert 1 == sum(f"{name}: it is no receipt" in each for each in texts)
        assert "Pushed to Mail Partner" not in texts
        assert any(text.startswith("Landed today, ") for text in texts)

    def test_asked(self, api, lake, tmp_path, see):
        """A landing that is asked for by its URI and day is shown with its receipt, alone."""
        receipt = land(lake)

        texts = see(lake, tmp_path / "other", uri=receipt["uri"], day=receipt["snapshot_date"])

        assert receipt["sha256"] in texts
        assert str(tmp_path / "other") not in texts

    def test_one_destination(self, api, lake, tmp_path, see):
        """A destination has a page of its own."""
        land(lake)

        texts = see(lake, tmp_path / "other", uri=f"file://{lake}")

        assert str(today()) in texts
        assert str(tmp_path / "other") not in texts
        assert "No landing found" not in texts

    def test_no_such_day(self, api, lake, see):
        """A day without a landing is said to have none."""
        land(lake)

        assert "No landing found" in see(lake, uri=f"file://{lake}", day=yesterday())

    def test_not_listed(self, api, lake, tmp_path, see):
        """A place that the variable does not list is not read, whatever the request asks for."""
        receipt = land(lake)

        texts = see(tmp_path / "other", uri=receipt["uri"], day=receipt["snapshot_date"])

        assert f"{receipt['uri']} has no receipt that can be read." in texts
        assert receipt["sha256"] not in texts

    def test_first_click(self, api, lake, tmp_path, see):
        """The link of a task whose destination is not listed leads to its receipt all the same,
        from the task itself, and to what to paste."""
        run = run_by_hand(dag_of(operator(lake)), noon())

        texts = see(tmp_path / "other", **query_of(links_of(run, "land")["Landed partition"]))

        assert f"Landing of {today()}" in texts
        assert lake.receipt()["sha256"] in texts
        assert "This destination is not listed yet" in texts
        assert json.dumps([str(tmp_path / "other"), str(lake)]) in texts

    def test_first_click_of_a_stranger(self, api, lake, see, monkeypatch):
        """The receipt that a task returned is shown to nobody who may not see what it returned."""
        run = run_by_hand(dag_of(operator(lake)), noon())
        query = query_of(links_of(run, "land")["Landed partition"])
        refused = []

        def refuse(manager, *, method, user, access_entity=None, details=None):
            refused.append((method, access_entity.value, details.id))
            return False

        from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

        monkeypatch.setattr(SimpleAuthManager, "is_authorized_dag", refuse)
        texts = see(**query)

        assert [("GET", "XCOM", run.dag_run.dag_id)] == refused
        assert lake.receipt()["sha256"] not in texts

    def test_link_of_changes(self, api, lake, feed, see):
        """The link of a task that landed changes leads to the receipt of the changes."""
        run = run_by_hand(dag_of(operator(lake), comparing(lake, feed)), noon())
        query = query_of(links_of(run, "compare")["Landed partition"])

        for destinations in ([lake, feed], [lake]):
            texts = see(*destinations, **query)

            assert f"Changes of {today()}" in texts
            assert feed.receipt()["sha256"] in texts

    def test_task_run(self, api, lake, see_html):
        """A landing leads to its task run, and the list to its DAG."""
        run = run_by_hand(dag_of(operator(lake)), noon())

        html = see_html(lake)

        dag = f"/dags/{run.dag_run.dag_id}"
        assert f'href="{dag}"' in html
        assert f'href="{dag}/runs/{quote(run.dag_run.run_id, safe="")}/tasks/land"' in html

    def test_neighbour(self, api, tmp_path, see):
        """A destination is not taken for another whose name begins alike."""
        receipt = land(tmp_path / "lake2")

        texts = see(tmp_path / "lake", uri=receipt["uri"])

        assert str(tmp_path / "lake") not in texts

    def test_unreadable(self, api, lake, tmp_path, see):
        """A destination that cannot be read says why, and the others are shown."""
        land(lake)
        (tmp_path / "file").write_text("")

        texts = see("nowhere://lake", tmp_path / "file", lake)

        assert any("nowhere:// cannot be opened here" in text for text in texts)
        assert any(f"cannot list {tmp_path}/file" in text for text in texts)
        assert str(lake) in texts

    @pytest.mark.parametrize(
        "change",
        [
            None,
            {"timezone": "Mars"},
            {"observed_at": 5},
            {"previous_rows": "many"},
            {"uri": []},
            {"receipt_version": 99},
        ],
    )
    def test_odd_receipt(self, api, lake, see, change):
        """A receipt that cannot be shown is one line, and the others are shown."""
        land(lake)
        odd = {**lake.receipt(), "snapshot_date": str(yesterday()), **(change or {})}
        lake.receipt_path(yesterday()).write_text(json.dumps(odd) if change else "{")

        texts = see(lake)

        assert str(today()) in texts
        (line,) = (text for text in texts if f"_receipts/dt={yesterday()}.json" in text)
        assert "upgrade this one" in line or "no receipt that can be shown" in line

    def test_rewritten_receipt(self, api, lake, see):
        """A receipt that was read once is read again once it has changed."""
        land(lake)
        assert "–" in see(lake)
        api.unsubscribes = THREE[:1]

        land(lake, max_shrink=1)

        texts = see(lake)
        assert "1" == texts[texts.index(str(today()), texts.index("Task run")) + 3]

    def test_pattern(self, api, tmp_path, see):
        """A pattern stands for all folders that match it."""
        for account in ("hats", "shoes"):
            land(tmp_path / f"account={account}" / "unsubscribes")
        (tmp_path / "other").mkdir()

        texts = see(tmp_path / "account=*" / "unsubscribes")

        assert "2 destinations: 2 landed" in texts
        assert str(tmp_path / "account=hats" / "unsubscribes") in texts

    def test_pattern_in_s3(self, api, bucket, see):
        """So it does in S3."""
        for account in ("hats", "shoes"):
            land(f"s3://aws_default@lake/account={account}")
        land("s3://aws_default@lake/other")
        bucket["account=list.csv"] = b"id"

        texts = see("s3://aws_default@lake/account=*")

        assert "2 destinations: 2 landed" in texts
        assert "s3://aws_default@lake/account=hats" in texts

    def test_pattern_of_nothing(self, tmp_path, see):
        """A pattern that matches nothing says so."""
        assert f"no folder matches {tmp_path}/account=*: correct the pattern" in see(
            tmp_path / "account=*"
        )

    @pytest.mark.parametrize("variable", ["{", '"/lake"', "{}", "[1]", "[null]"])
    def test_wrong_variable(self, see, monkeypatch, webserver, token, variable):
        """A variable that lists no destinations is reported."""
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_DESTINATIONS", variable)

        answer = webserver.get(PAGE, headers=bearing(token("VIEWER")))

        assert "It is not a JSON list of destinations" in answer.text

    def test_empty(self, see):
        """Without a variable the page says how to set it."""
        assert "No destinations yet" in see()


class TestSilentStore:
    def test_many_viewers(self, api, lake, webserver, token, bucket, held_up, monkeypatch):
        """A store that does not answer is one line, and others are shown; many people who wait for
        it together take one thread, and none of Airflow's."""
        from anyio.to_thread import current_default_thread_limiter
        from httpx import ASGITransport, AsyncClient

        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_DESTINATIONS", json.dumps([held_up, str(lake)]))
        headers = bearing(token("VIEWER"))
        land(lake)

        async def look():
            transport = ASGITransport(webserver.app)
            async with AsyncClient(transport=transport, base_url="http://airflow") as browser:
                pages = [
                    asyncio.create_task(browser.get(PAGE, headers=headers, timeout=None))
                    for _ in range(60)
                ]
                while not bucket.asked or current_default_thread_limiter().borrowed_tokens:
                    assert not all(page.done() for page in pages)
                    await asyncio.sleep(0.02)
                return await asyncio.gather(*pages)

        pages = asyncio.run(look())

        assert {200} == {page.status_code for page in pages}
        assert all("It did not answer within" in page.text for page in pages)
        for page in pages:
            assert "2 destinations: 1 not shown, 1 landed" in shown(page.text)[0]
        readers = [each for each in threading.enumerate() if each.name == "mailpartner-page"]
        assert len(readers) <= 16
