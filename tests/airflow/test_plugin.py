"""The page within Airflow: for whom it is, and what it reads."""

from __future__ import annotations

import json

import pytest

from tests.support.changes import compare
from tests.support.days import today, yesterday
from tests.support.html import shown
from tests.support.landing import land
from tests.support.runs import AIRFLOW
from tests.support.snapshots import put_snapshot

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.skipif(AIRFLOW < (3, 1), reason="Airflow has a place for pages since 3.1"),
]

PAGE = "/mailpartner/"


@pytest.fixture(scope="module")
def server(database):
    """Airflow's own web server, in this process."""
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    return TestClient(create_app(apps="core"))


@pytest.fixture
def token(server):
    """A function that returns a token for a user of a role."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    def token(role):
        return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="zoe", role=role))

    return token


@pytest.fixture
def see(server, token, monkeypatch):
    """A function that opens the page with these destinations, and returns its texts."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")  # as Airflow's own server sets

    def see(*destinations, **asked):
        variable = json.dumps(list(map(str, destinations)))
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_DESTINATIONS", variable)
        answer = server.get(PAGE, params=asked, headers=bearing(token("VIEWER")))
        assert 200 == answer.status_code
        return shown(answer.text)[0]

    return see


def bearing(token):
    return {"Authorization": f"Bearer {token}"}


class TestAccess:
    @pytest.mark.parametrize("path", [PAGE, f"{PAGE}?uri=file:///lake", f"{PAGE}?day=never"])
    def test_nobody(self, server, path):
        """A user who is not logged in sees nothing."""
        assert 401 == server.get(path).status_code

    def test_forged(self, server):
        """A token that Airflow did not give is refused."""
        assert 403 == server.get(PAGE, headers=bearing("e30.e30.e30")).status_code

    def test_without_role(self, server, token):
        """Somebody who may not see assets may not see landings."""
        assert 403 == server.get(PAGE, headers=bearing(token(None))).status_code

    def test_session(self, server, token):
        """The cookie of Airflow's pages opens the page, which no cache keeps, and which loads and
        runs nothing."""
        answer = server.get(PAGE, headers={"Cookie": f"_token={token('VIEWER')}"})

        assert 200 == answer.status_code
        assert "no-store" == answer.headers["Cache-Control"]
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; style-src 'unsafe-inline'" == policy

    @pytest.mark.parametrize("path", ["docs", "redoc", "openapi.json"])
    def test_only_one_page(self, server, path):
        """There is nothing else than the page."""
        assert 404 == server.get(f"{PAGE}{path}").status_code

    def test_in_the_menu(self, server, token):
        """Airflow's own menu has it."""
        answer = server.get("/api/v2/plugins", headers=bearing(token("ADMIN"))).json()

        (plugin,) = (each for each in answer["plugins"] if each["name"] == "mailpartner")
        (view,) = plugin["external_views"]
        assert ("Mail Partner", PAGE, "nav") == (view["name"], view["href"], view["destination"])


class TestPage:
    def test_landed(self, api, lake, tmp_path, see):
        """A landing of today is shown as such, beside a destination without any landing."""
        land(lake)

        texts = see(lake, tmp_path / "other")

        assert str(lake) in texts
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

        row = texts.index(str(today()), texts.index("Rejected"))
        assert ["6", "+2", "−1"] == texts[row + 3 : row + 6]
        assert str(feed) not in texts

    def test_asked(self, api, lake, tmp_path, see):
        """A landing that is asked for by its URI and day is shown with its receipt, alone."""
        receipt = land(lake)

        texts = see(lake, tmp_path / "other", uri=receipt["uri"], day=receipt["snapshot_date"])

        assert receipt["sha256"] in texts
        assert str(tmp_path / "other") not in texts

    def test_not_listed(self, api, lake, tmp_path, see):
        """A place that the variable does not list is not read, whatever the request asks for."""
        receipt = land(lake)

        texts = see(tmp_path / "other", uri=receipt["uri"], day=receipt["snapshot_date"])

        assert "It is not listed in the variable mailpartner_destinations" in texts
        assert receipt["sha256"] not in texts

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
        assert any(f"cannot list {tmp_path}/file/_receipts" in text for text in texts)
        assert str(lake) in texts

    def test_broken_receipt(self, api, lake, see):
        """A receipt that cannot be read is ignored."""
        land(lake)
        lake.receipt_path(yesterday()).write_text("{")

        assert str(yesterday()) not in see(lake)

    @pytest.mark.parametrize("variable", ["{", '"/lake"', "{}", "[1]", "[null]"])
    def test_wrong_variable(self, see, monkeypatch, server, token, variable):
        """A variable that lists no destinations is reported."""
        monkeypatch.setenv("AIRFLOW_VAR_MAILPARTNER_DESTINATIONS", variable)

        answer = server.get(PAGE, headers=bearing(token("VIEWER")))

        assert "It is not a JSON list of destinations" in answer.text

    def test_empty(self, see):
        """Without a variable the page says how to set it."""
        assert "No destinations yet" in see()
