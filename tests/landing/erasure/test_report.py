"""What ``erase`` reports: who was found, what was not read, and nobody's address."""

from __future__ import annotations

import json

import pytest

from tests.support.api import connect
from tests.support.changes import compare
from tests.support.days import days_ago, today
from tests.support.erasing import KEY, NINE, ZOE, assert_gone, emails, erased, report_of
from tests.support.lake import Lake, partition_name, quarantine_name
from tests.support.landing import land
from tests.support.users import hand_over, ordinary_user


def reports(output):
    """Parse the reports of all destinations."""
    found, decoder = [], json.JSONDecoder()
    while output.strip():
        report, end = decoder.raw_decode(output)
        found.append(report)
        output = output[end:].lstrip()
    return found


class TestLines:
    def test_found(self, two_days, feed, run):
        """Of each line it says in how many files the person is; lines are counted from one, blank
        ones too, and no address is shown."""
        compare(two_days, feed)
        people = f"{ZOE}\n\nnobody@example.com\n  anne@example.com\n".encode()

        code, output, errors = run(two_days, feed, people=people)

        assert 0 == code
        assert [
            [{"line": 1, "found_in": 3}, {"line": 3, "found_in": 0}, {"line": 4, "found_in": 2}],
            [{"line": 1, "found_in": 1}, {"line": 3, "found_in": 0}, {"line": 4, "found_in": 1}],
        ] == [report["lines"] for report in reports(output)]
        assert "line 1: found in 4 files\nline 3: not found\nline 4: found in 3 files\n" in errors
        assert "@" not in output and "@example" not in errors

    def test_again(self, two_days, run):
        """A second time nothing is replaced, and people are still found, by their hashes."""
        run(two_days)

        code, output, _ = run(two_days)

        (report,) = reports(output)
        assert (0, []) == (code, report["files"])
        assert [3, 2] == [line["found_in"] for line in report["lines"]]

    def test_hashed(self, api, lake, monkeypatch):
        """Where hashes were landed people are found by these."""
        connect(monkeypatch, api, extra={"email_hmac_key": KEY})
        api.unsubscribes = NINE
        land(lake, email_mode="hmac")

        assert [1, 0] == report_of(lake, ZOE, "nobody@example.com", keys=[KEY]).found_in

    @pytest.mark.parametrize(
        ("people", "named"),
        [
            ("zoe@example.com\nZoe\n\n@\n", "line 2, 4 "),
            ("Zoe <zoe@example.com>\n", "line 1 "),
            ("zoe@example.com;anne@example.com\n", "line 1 "),
            ("\nemail\nzoe@example.com\n", "line 2 "),
        ],
    )
    def test_no_address(self, two_days, run, people, named):
        """A line that is not one address would find nobody: it is named, and nobody is erased."""
        before = two_days.files()

        code, output, errors = run(two_days, people=people.encode())

        assert (2, "") == (code, output)
        assert named in errors and "nothing was erased" in errors
        assert "zoe" not in errors.lower()
        assert before == two_days.files()


class TestDryRun:
    def test_dry_run(self, two_days, run):
        """A dry run reports what an erasure does, and changes nothing."""
        before = two_days.files()

        code, output, _ = run(two_days, "--dry-run")

        assert (0, before) == (code, two_days.files())
        (planned,) = reports(output)
        _, output, _ = run(two_days)
        (done,) = reports(output)
        assert (True, False) == (planned["dry_run"], done["dry_run"])
        for member in ("people", "lines", "files", "unsearched"):
            assert planned[member] == done[member]
        assert 3 == len(done["files"])

    def test_days_of_opt_out(self, api, lake, run):
        """So it does where a partition is a day of opt-out."""
        api.unsubscribes = NINE
        land(lake, partition_by="created")
        before = lake.files()

        _, output, _ = run(lake, "--dry-run")

        assert before == lake.files()
        assert 2 == len(reports(output)[0]["files"])


class TestUnsearched:
    @pytest.mark.parametrize("folder", ["dt={day}", "_rejected"])
    def test_folder(self, api, public, run, folder):
        """A folder that may not be read is named, the next destination is searched, and the command
        fails."""
        lake, other = Lake(public / "lake"), Lake(public / "other")
        api.unsubscribes = NINE
        for each in (lake, other):
            land(each)
        hidden = lake / folder.format(day=today())
        hidden.mkdir(exist_ok=True)
        run(other, "--dry-run")  # so that everything is imported, which another user may not read
        hand_over(public)
        hidden.chmod(0)
        with ordinary_user():
            code, output, errors = run(lake, other)
        hidden.chmod(0o700)

        assert 1 == code
        assert f"Not erased: cannot list {lake}" in errors
        assert "Permission denied" in errors
        assert [f"file://{other}"] == [each["destination"] for each in reports(output)]
        assert_gone(other)
        assert "erase again" in errors

    @pytest.mark.parametrize("name", [partition_name, quarantine_name])
    def test_file(self, two_days, feed, run, name):
        """So it is with a file that cannot be read."""
        compare(two_days, feed)
        (two_days / name()).write_bytes(b"zoe@example.com")

        code, output, errors = run(two_days, feed)

        assert 1 == code
        assert f"{name()} cannot be read, and may hold an address" in errors
        assert 1 == len(reports(output))
        assert_gone(feed)

    def test_nowhere_first(self, two_days, run):
        """A misspelt destination does not keep people in the next one."""
        code, _, errors = run(two_days.folder.with_name("misspelt"), two_days)

        assert 1 == code
        assert "nothing has been landed" in errors
        assert_gone(two_days)

    def test_scratch(self, two_days, run, monkeypatch):
        """The scratch folder of another landing, which holds a whole list, is named."""
        from mailpartner_provider.lake.scratch import scratch_folder

        with scratch_folder(two_days.folder) as scratch:
            (scratch / "part.parquet").write_text(ZOE)
            code, output, errors = run(two_days)

        assert 1 == code
        (reason,) = reports(output)[0]["unsearched"]
        assert scratch.as_uri() in reason
        assert f"Not searched: {reason}" in errors
        assert "anne" not in str(emails(two_days).values())


class TestReplacedKey:
    NEW = "another key"

    @pytest.fixture
    def rotated(self, api, lake, monkeypatch):
        """Two days with Zoe and fields of hers, each hashed by a key of its own."""
        api.unsubscribes = NINE
        for day, key in ((days_ago(1), KEY), (today(), self.NEW)):
            connect(monkeypatch, api, extra={"email_hmac_key": key})
            land(lake, day, email_mode="hmac")
        return lake

    def fields(self, lake):
        return [row["extra_fields"] for day in (days_ago(1), today()) for row in lake.rows(day)[3:]]

    def test_one_key(self, rotated):
        """Under a key that is not named she is found by her id; that others may not be is told."""
        report = report_of(rotated, keys=[self.NEW])

        assert [None, None] == self.fields(rotated)
        assert [1] == report.found_in
        (reason,) = report.unsearched
        assert "at least 2 keys, and 1 named" in reason

    def test_all_keys(self, rotated):
        """With all keys everybody can be found."""
        report = report_of(rotated, keys=[KEY, self.NEW])

        assert [None, None] == self.fields(rotated)
        assert ([2], []) == (report.found_in, report.unsearched)

    def test_command(self, rotated, run, api, monkeypatch):
        """Each key's connection is named by an argument of its own."""
        connect(monkeypatch, api, conn_id="earlier", extra={"email_hmac_key": KEY})
        arguments = ["--mailpartner-conn-id", "mailpartner_default"]

        assert 1 == run(rotated, *arguments)[0]
        assert 0 == run(rotated, *arguments, "--mailpartner-conn-id", "earlier")[0]

    def test_without_fields(self, api, lake, monkeypatch):
        """Partitions without fields hold nothing but hashes: no other key is asked for."""
        api.unsubscribes = [{"id": 9, "email": ZOE, "createdAt": None}]
        for day, key in ((days_ago(1), KEY), (today(), self.NEW)):
            connect(monkeypatch, api, extra={"email_hmac_key": key})
            land(lake, day, email_mode="hmac")

        assert [] == report_of(lake, keys=[self.NEW]).unsearched

    def test_key_is_one(self, rotated, api):
        """Days of one key, with others between them, need one key."""
        land(rotated, days_ago(2), email_mode="hmac")

        assert "at least 2 keys" in report_of(rotated, keys=[KEY]).unsearched[0]
        assert [] == erased(rotated, key=KEY)
