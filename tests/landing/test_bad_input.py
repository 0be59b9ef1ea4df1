"""Each bad answer is a clear error, or a record counted and quarantined."""

from __future__ import annotations

import gzip
import json

import pytest

from mailpartner_provider.testing.answers import Answer
from tests.support.bad_answers import ANSWERS, GZIP, ODD_ANSWERS
from tests.support.landing import land


@pytest.mark.parametrize("what", ANSWERS)
def test_bad_answer(api, lake, what):
    """A bad answer is a clear error, and the destination is as it was."""
    answer, kind, words = ANSWERS[what]
    land(lake)
    before = lake.files()
    api.script(*[answer] * 4)

    with pytest.raises(kind, match=words) as caught:
        land(lake)

    assert "example.com" not in str(caught.value)
    assert before == lake.files()


@pytest.mark.parametrize(
    "what", [what for what, (_, _, words) in ANSWERS.items() if words.endswith(": 1")]
)
def test_quarantined_record(api, lake, what):
    """A record that cannot be a row is quarantined, with the reason, beside those that land."""
    answer, _, words = ANSWERS[what]
    api.script(answer)

    receipt = land(lake, max_rejected=1)

    (line,) = next(lake.glob("_rejected/*.jsonl")).read_text().splitlines()
    assert {"reason": words.removesuffix(": 1"), "record": answer.body["data"][1]} == json.loads(
        line
    )
    assert (1, 1, 2) == (receipt["rows"], receipt["rejected"], receipt["received"])


@pytest.mark.parametrize("what", ODD_ANSWERS)
@pytest.mark.parametrize("wire", ["plain", "gzip", "one byte a chunk"])
def test_odd_but_good_answer(api, lake, what, wire):
    """An answer that is odd, but good, lands the same rows as an ordinary one."""
    land(lake)
    usual, body = lake.rows(), ODD_ANSWERS[what]
    if wire == "gzip":
        api.script(Answer(gzip.compress(body), headers=GZIP))
    elif wire == "plain":
        api.script(Answer(body))
    else:
        api.script(Answer(body[at : at + 1] for at in range(len(body))))

    land(lake)

    assert usual == lake.rows()
    assert 2 == len(api.asked)


@pytest.mark.parametrize("declared_empty", [{"data": None}, {}])
def test_absent_data(api, lake, declared_empty):
    """Data null or absent means empty when nbData is 0."""
    api.script(Answer({"success": True, "code": 200, "nbData": 0, **declared_empty}))

    assert 0 == land(lake)["rows"]
