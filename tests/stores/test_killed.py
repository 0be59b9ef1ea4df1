"""A landing that is killed (SIGKILL) while its answer arrives; ``make crash`` kills it anywhere."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

from tests.support.walk import CASES, Walk

pytestmark = pytest.mark.usefixtures("forks")


@pytest.mark.parametrize("share", [0, 0.5, 0.999])
def test_answer(api, place, temporary, share):
    """A landing survives a kill while the answer arrives."""
    walk = Walk(api, place, temporary, CASES["replacing"])
    with walk.landing(stand_at=1) as process:
        assert process.stands()

        def fault(answer):
            whole = answer.whole()

            def pieces():
                yield whole[: int(share * len(whole))]
                process.kill()

            return replace(answer, body=pieces())

        walk.api.script(fault)
        process.go_on()
        assert -signal.SIGKILL == process.end()
    walk.check()
