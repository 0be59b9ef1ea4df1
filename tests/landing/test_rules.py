"""The rules that a landing keeps, each said and shown, through the operator and a real server."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from mailpartner_provider.errors import BadData, RequestFailed
from mailpartner_provider.testing.answers import Answer
from mailpartner_provider.testing.server import DEFAULT_KEY
from tests.conftest import (
    PARIS,
    THREE,
    TODAY,
    YESTERDAY,
    at_once,
    connect,
    cut_off,
    files,
    land,
    listing,
    operator,
    rows,
)


def receipt_of(lake: Path, day=TODAY):
    return json.loads((lake / f"_receipts/dt={day}.json").read_text())


def quarantine_of(lake: Path, day=TODAY):
    lines = (lake / f"_rejected/dt={day}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


class TestRule1NeverLost:
    def test_odd_record(self, api, lake):
        """A record with a usable id and e-mail always lands, whatever else is wrong with it."""
        api.unsubscribes = [
            {"id": "20", "email": " x ", "createdAt": "0000-00-00 00:00:00", "why": ["spam", 1.5]}
        ]

        land(lake)

        assert [
            {
                "id": 20,
                "email": " x ",
                "created_at": None,
                "snapshot_date": TODAY,
                "extra_fields": '{"why":["spam",1.5],"createdAt":"0000-00-00 00:00:00"}',
            }
        ] == rows(lake)

    def test_quarantine(self, api, lake):
        """A record without a usable id or e-mail is quarantined and counted."""
        api.unsubscribes = [*THREE, {"id": 21}, {"id": None, "email": "dora@example.com"}]

        receipt = land(lake, max_rejected=2)

        assert (3, 2) == (receipt["rows"], receipt["rejected"])
        assert [
            {"reason": "email is missing", "record": {"id": 21}},
            {"reason": "id is missing", "record": {"id": None, "email": "dora@example.com"}},
        ] == quarantine_of(lake)

    def test_too_many(self, api, lake):
        """More than max_rejected of them fails the task with counts and reasons, and publishes
        nothing."""
        api.unsubscribes = [*THREE, {"id": 21}, {"id": 22}, {"email": "dora@example.com"}]

        with pytest.raises(BadData, match=r"3 of 6 .* \(email is missing: 2, id is missing: 1\)"):
            land(lake, max_rejected=2)

        assert not lake.exists()

    def test_quarantine_is_of_its_landing(self, api, lake):
        """A later landing of the same day that rejects nothing removes the quarantine."""
        api.unsubscribes = [*THREE, {"id": 21}]
        land(lake, max_rejected=1)
        api.unsubscribes = THREE

        land(lake)

        assert "_rejected/dt=" not in " ".join(files(lake))


class TestRule2Reconciled:
    def test_sum(self, api, lake):
        """declared = received = rows + rejected + after_cutoff."""
        tomorrow_noon = datetime.combine(TODAY, datetime.min.time()) + timedelta(hours=12)
        late = {"id": 22, "email": "e@example.com", "createdAt": str(tomorrow_noon)}
        api.unsubscribes = [*THREE, {"id": 21}, late]

        receipt = land(lake, snapshot_date=YESTERDAY.isoformat(), max_rejected=1)

        counts = {name: receipt[name] for name in ("declared", "received", "rows", "rejected")}
        assert {"declared": 5, "received": 5, "rows": 3, "rejected": 1} == counts
        assert 1 == receipt["after_cutoff"]

    def test_truncated_then_whole(self, api, lake):
        """Fewer received than declared is a truncated answer: it is fetched again."""
        api.script(at_once(listing(THREE[:2], nbData=3)))

        assert 3 == land(lake)["rows"]
        assert 2 == len(api.asked)

    def test_truncated_for_good(self, api, lake):
        """Fewer received than declared fails the task, after four tries."""
        api.script(*[at_once(listing(THREE[:2], nbData=3))] * 4)

        with pytest.raises(RequestFailed, match="declares 3 records and holds 2"):
            land(lake)

        assert 4 == len(api.asked)
        assert not lake.exists()

    def test_more(self, api, lake, log):
        """More received than declared is a warning."""
        api.script(Answer(listing(THREE, nbData=2)))

        assert (2, 3) == (land(lake)["declared"], receipt_of(lake)["rows"])
        assert "declares 2 records and holds 3" in log()

    def test_undeclared(self, api, lake, log):
        """nbData absent is a warning."""
        api.script(Answer({"success": True, "data": THREE}))

        assert land(lake)["declared"] is None
        assert "declares no count (nbData)" in log()


class TestRule3DayOfTheRun:
    noon = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)

    def test_log_names_the_winner(self, api, lake, log):
        """The log names the source of the day that won."""
        operator(lake, snapshot_date=None).execute({"logical_date": self.noon})

        assert (
            "Landing the snapshot of 2026-03-01 (from the run's logical_date, in Europe/Paris)"
            in log()
        )

    def test_future(self, api, lake):
        """A day in the future fails."""
        tomorrow = TODAY + timedelta(days=1)

        with pytest.raises(AirflowFailException, match="snapshot_date: .* is in the future"):
            land(lake, snapshot_date=tomorrow.isoformat())

        assert [] == api.asked


class TestRule4HonestAboutThePast:
    def test_live(self, api, lake):
        """A snapshot observed on its own day has status live."""
        assert "live" == land(lake)["status"]

    def test_backdated(self, api, lake):
        """Observed later it has status backdated: only records created before the end of that day
        are kept, those without a date too, and the receipt says so."""
        end_of_day = datetime.combine(TODAY, datetime.min.time(), PARIS)
        times = {
            1: end_of_day - timedelta(seconds=1),
            2: end_of_day,
            3: end_of_day + timedelta(seconds=1),
        }
        api.unsubscribes = [
            {"id": key, "email": "a@example.com", "createdAt": at.strftime("%Y-%m-%d %H:%M:%S")}
            for key, at in times.items()
        ] + [{"id": 4, "email": "a@example.com"}]

        receipt = land(lake, snapshot_date=YESTERDAY.isoformat())

        assert [1, 4] == [row["id"] for row in rows(lake, YESTERDAY)]
        assert ("backdated", 2) == (receipt["status"], receipt["after_cutoff"])

    def test_live_stays(self, api, lake):
        """A backdated snapshot never replaces a live one: the task succeeds, says that it kept the
        live one, and returns its receipt."""
        land(lake, snapshot_date=YESTERDAY.isoformat())
        place = lake / f"_receipts/dt={YESTERDAY}.json"
        observed_then = place.read_text().replace('"backdated"', '"live"')
        place.write_text(observed_then)
        before, asked = files(lake), len(api.asked)
        api.unsubscribes = THREE[:2]

        receipt = land(lake, snapshot_date=YESTERDAY.isoformat())

        assert before == files(lake)
        assert json.loads(observed_then) | {"changed": False} == receipt
        assert asked == len(api.asked)

    def test_live_receipt_alone(self, api, lake):
        """A live receipt keeps nothing once its partition is gone: the day is landed anew."""
        land(lake, snapshot_date=YESTERDAY.isoformat())
        place = lake / f"_receipts/dt={YESTERDAY}.json"
        place.write_text(place.read_text().replace('"backdated"', '"live"'))
        (lake / f"dt={YESTERDAY}" / "part-00000.parquet").unlink()

        receipt = land(lake, snapshot_date=YESTERDAY.isoformat())

        assert ("backdated", True) == (receipt["status"], receipt["changed"])
        assert 3 == len(rows(lake, YESTERDAY))

    def test_backdated_replaces_backdated(self, api, lake):
        """A backdated snapshot replaces a backdated one."""
        land(lake, snapshot_date=YESTERDAY.isoformat())
        api.unsubscribes = THREE[:2]

        assert 2 == land(lake, snapshot_date=YESTERDAY.isoformat())["rows"]

    def test_live_replaces_live(self, api, lake):
        """A second landing on the day itself replaces the first."""
        land(lake)
        api.unsubscribes = THREE[:2]

        assert (2, True) == (land(lake)["rows"], receipt_of(lake)["changed"])


class TestRule5AllOrNothing:
    def test_verified_file(self, api, lake):
        """The file is complete: its footer counts the rows of the receipt."""
        receipt = land(lake)

        footer = pq.ParquetFile(lake / f"dt={TODAY}" / "part-00000.parquet").metadata
        assert receipt["rows"] == footer.num_rows

    @pytest.mark.parametrize("good_bytes", [0, 1, 60, 200])
    def test_old_partition_survives(self, api, lake, good_bytes):
        """A connection lost at any moment leaves the old partition readable and whole."""
        land(lake)
        before = files(lake)
        body = json.dumps(listing(THREE[:2])).encode()
        api.script(*[cut_off(body[:good_bytes])] * 4)

        with pytest.raises(RequestFailed):
            land(lake)

        assert before == files(lake)

    def test_nothing_else_is_left(self, api, lake):
        """Nothing but partitions, receipts and quarantine is ever left behind."""
        land(lake)

        assert {f"dt={TODAY}/part-00000.parquet", f"_receipts/dt={TODAY}.json"} == set(files(lake))

    def test_receipt_last(self, api, lake):
        """The receipt is written last, after the partition is in its place."""
        land(lake)

        placed_at = (lake / f"dt={TODAY}" / "part-00000.parquet").stat().st_ctime_ns
        assert placed_at <= (lake / f"_receipts/dt={TODAY}.json").stat().st_ctime_ns


class TestRule6FreeOfEffects:
    def test_same_answer(self, api, lake):
        """Same answer: same bytes, and changed is false."""
        first, before = land(lake), files(lake)[f"dt={TODAY}/part-00000.parquet"]

        second = land(lake)

        assert (True, False) == (first["changed"], second["changed"])
        assert first["sha256"] == second["sha256"]
        assert before == files(lake)[f"dt={TODAY}/part-00000.parquet"]

    def test_other_run(self, api, lake, tmp_path):
        """No clock and no run id is inside the file: another destination gets the same bytes."""
        assert land(lake)["sha256"] == land(tmp_path / "other", max_shrink=None)["sha256"]

    def test_history_stays(self, api, lake):
        """Landing a day again does not make the day its own predecessor."""
        land(lake, snapshot_date=YESTERDAY.isoformat())

        before = [land(lake)["previous_snapshot_date"] for _ in range(2)]

        assert [YESTERDAY.isoformat()] * 2 == before


class TestRule7EmptyIsNews:
    def test_write(self, api, lake):
        """on_empty="write": a file with the schema and no rows."""
        api.unsubscribes = []

        assert 0 == land(lake)["rows"]
        table = pq.ParquetFile(lake / f"dt={TODAY}" / "part-00000.parquet").read()
        assert ["id", "email", "created_at", "snapshot_date", "extra_fields"] == table.column_names
        assert 0 == table.num_rows

    def test_skip(self, api, lake):
        """on_empty="skip": the task is skipped."""
        api.unsubscribes = []

        with pytest.raises(AirflowSkipException):
            land(lake, on_empty="skip")

        assert not lake.exists()

    def test_fail(self, api, lake):
        """on_empty="fail": it fails."""
        api.unsubscribes = []

        with pytest.raises(BadData, match="the list is empty"):
            land(lake, on_empty="fail")

        assert not lake.exists()

    @pytest.mark.parametrize("on_empty", ["write", "skip", "fail"])
    def test_guard(self, api, lake, on_empty):
        """max_shrink guards a list that was not empty before."""
        land(lake, snapshot_date=YESTERDAY.isoformat())
        before = files(lake)
        api.unsubscribes = []

        with pytest.raises(BadData, match="the list shrank from 3 to 0 since"):
            land(lake, on_empty=on_empty)

        assert before == files(lake)

    @pytest.mark.parametrize(
        ("before", "after", "max_shrink", "passes"),
        [
            (100, 50, 0.5, True),
            (100, 49, 0.5, False),
            (100, 43, 0.57, True),
            (30, 27, 0.1, True),
            (100, 0, None, True),
            (100, 99, 0, False),
            (100, 0, 1, True),
            (0, 0, 0, True),
        ],
    )
    def test_share(self, api, lake, before, after, max_shrink, passes):
        """A loss of exactly the share passes, more fails; None turns the guard off."""
        people = [{"id": key, "email": "a@example.com"} for key in range(100)]
        api.unsubscribes = people[:before]
        land(lake, snapshot_date=YESTERDAY.isoformat())
        api.unsubscribes = people[:after]

        if passes:
            assert after == land(lake, max_shrink=max_shrink)["rows"]
        else:
            with pytest.raises(BadData, match="max_shrink"):
                land(lake, max_shrink=max_shrink)

    def test_same_day(self, api, lake):
        """The guard compares with the newest receipt up to and including the same day."""
        land(lake)
        api.unsubscribes = THREE[:1]

        with pytest.raises(BadData, match="max_shrink"):
            land(lake)

    def test_unreadable_receipt(self, api, lake, log):
        """A receipt that cannot be read is a warning, and the guard takes the one before it."""
        land(lake, snapshot_date=(YESTERDAY - timedelta(days=30)).isoformat())
        (lake / f"_receipts/dt={YESTERDAY}.json").write_text('{"rows": 1')
        api.unsubscribes = []

        with pytest.raises(BadData, match="from 3 to"):
            land(lake)

        assert f"Ignoring unreadable receipt file://{lake}/_receipts/dt={YESTERDAY}.json" in log()


class TestRule8Duplicates:
    def test_kept_and_counted(self, api, lake):
        """Duplicates of an id are kept and counted, never merged by guess."""
        api.unsubscribes = [{"id": key, "email": "a@example.com"} for key in (7, 3, 7, 7, 1, 3)]

        receipt = land(lake)

        assert [7, 3, 7, 7, 1, 3] == [row["id"] for row in rows(lake)]
        assert 3 == receipt["duplicate_ids"]


class TestRule9NothingPersonal:
    def test_receipt_is_flat(self, api, lake):
        """A receipt is a flat dict of strings, numbers, booleans and nulls."""
        assert {str, int, float, bool, type(None)} >= {type(value) for value in land(lake).values()}

    def test_no_address(self, api, lake, log):
        """No personal data in logs, exceptions and receipts: counts, days, paths."""
        api.unsubscribes = [*THREE, {"id": 1, "mail of zoe@example.com": "zoe@example.com"}]

        with pytest.raises(BadData) as caught:
            land(lake)
        receipt = land(lake, max_rejected=1)

        for text in (log(), str(caught.value), json.dumps(receipt)):
            assert "@example.com" not in text.lower()

    @pytest.mark.parametrize(
        "answer",
        [
            at_once({"success": False, "code": 10, "message": f"{DEFAULT_KEY} zoe@example.com"}),
            at_once({"success": False, "code": 7, "errors": [{"message": f"no {DEFAULT_KEY}"}]}),
            at_once(b"<h1>zoe@example.com</h1>", 503),
            at_once(b"zoe@example.com"),
            cut_off(b'{"data":[{"email":"zoe@example.com'),
            Answer(b"", 302, {"Location": "https://elsewhere.example/zoe@example.com"}),
            Answer(b"zoe@example.com", 200, {"Content-Encoding": "gzip", "Retry-After": "0"}),
        ],
    )
    def test_no_key_in_errors(self, api, lake, log, answer):
        """No exception of ours carries a URL's query, headers or a body; that holds for chained
        exceptions and tracebacks too."""
        api.script(*[answer] * 4)

        with pytest.raises(Exception) as caught:
            land(lake)

        error, texts = caught.value, [log()]
        while error:
            texts.append(repr(error) + repr(vars(error)))
            error = error.__cause__ or error.__context__
        for text in texts:
            assert "apiKey=stand" not in text
            assert DEFAULT_KEY not in text
            assert "zoe@example.com" not in text


class TestRule10RefusedOrFailed:
    @pytest.mark.parametrize("code", [1, 10, 20, 30, 40, 96])
    @pytest.mark.parametrize("status", [200, 400, 403, 500])
    def test_permanent_code(self, api, lake, code, status):
        """What asking again cannot mend stops the task at once, without using up Airflow's
        retries; HTTP 200 with success: false and HTTP 4xx with the envelope are handled alike."""
        api.script(Answer({"success": False, "code": code, "message": "non"}, status))

        with pytest.raises(AirflowFailException, match=f"code {code}, .*: non"):
            land(lake)

        assert 1 == len(api.asked)
        assert not lake.exists()

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
    def test_permanent_status(self, api, lake, status):
        """HTTP 4xx other than 408 and 429 stops the task at once."""
        api.script(Answer(b"<html>no</html>", status))

        with pytest.raises(AirflowFailException, match=f"the API refused .*HTTP {status}"):
            land(lake)

        assert 1 == len(api.asked)

    @pytest.mark.parametrize(
        "answer",
        [
            at_once(b"", 408),
            at_once(b"", 429),
            at_once(b"", 500),
            at_once(b"", 503),
            at_once({"success": False, "code": 429}),
            at_once({"success": False, "code": 500}, 400),
            at_once({"success": False, "code": 7}),
            at_once(b'{"success": true, "data": ['),
            cut_off(b'{"success": true'),
        ],
    )
    def test_passing_failure(self, api, lake, answer):
        """The rest is tried again, then left to Airflow's retries."""
        api.script(*[answer] * 3)
        assert 3 == land(lake)["rows"]
        api.script(*[answer] * 4)

        with pytest.raises(RequestFailed):
            land(lake)

        assert 8 == len(api.asked)

    def test_broken_connection(self, api, lake):
        """A connection that breaks midway is tried again."""
        api.script(Answer(iter([b'{"success": true']), ending="reset"))

        assert 3 == land(lake)["rows"]

    def test_backoff(self, api, lake):
        """Without Retry-After the next try waits, longer each time."""
        api.script(Answer(b"", 503), Answer(b"", 503))
        began = time.monotonic()

        land(lake)

        assert time.monotonic() - began > 1.5

    def test_no_connection(self, api, lake, monkeypatch):
        """A connection that cannot be made is a failure, not a refusal."""
        connect(monkeypatch, api, host="http://127.0.0.1:9")

        with pytest.raises(RequestFailed, match="connection broke"):
            operator(lake).hook.fetch_unsubscribes()

    def test_silence(self, api, lake, monkeypatch):
        """A server that falls silent is given up after read_timeout."""
        connect(monkeypatch, api, extra={"read_timeout": 0.3})

        def pieces():
            yield b'{"success": true,'
            time.sleep(1)

        api.script(Answer(pieces()))

        with pytest.raises(RequestFailed, match="connection broke|no answer within read_timeout"):
            list(operator(lake).hook.fetch_unsubscribes())


class TestRule11NeverElsewhere:
    @pytest.mark.parametrize("path", ["/v1/unsubscribe/list", "/v2/elsewhere"])
    def test_other_host(self, api, lake, path):
        """No redirect to another host is followed."""
        from mailpartner_provider.testing.server import StandIn

        with StandIn() as elsewhere:
            target = elsewhere.url.replace("/v1", path)
            api.script(Answer(b"", 302, {"Location": target}))

            with pytest.raises(AirflowFailException, match="redirects to another host"):
                land(lake)

            assert [] == elsewhere.asked

    def test_same_origin(self, api, lake):
        """A redirect within the same origin is followed."""
        from urllib.parse import quote

        target = f"/v1/unsubscribe/list?apiKey={quote(api.key, safe='')}"
        api.script(Answer(b"", 301, {"Location": target}))

        assert 3 == land(lake)["rows"]

    def test_in_circles(self, api, lake):
        """Redirects are followed a few times only."""
        api.script(*[Answer(b"", 301, {"Location": "/v1/me"})] * 9)

        with pytest.raises(AirflowFailException, match="redirects in circles"):
            land(lake)

        assert 4 == len(api.asked)
