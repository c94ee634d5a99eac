"""The conformance cases that CI runs: all of sections 1-7 and 10."""

from __future__ import annotations

import pytest

from tests.conformance import runner


@pytest.mark.parametrize(("group", "count"), [(runner.CORE, 246), (runner.LARGE, 1)])
def test_every_case_is_right(group, count, tmp_path):
    verdict = runner.run(group, tmp_path)
    assert verdict.wrong == {}
    assert len(verdict.right) + len(verdict.informational) == count


def test_a_case_that_only_the_kill_timer_ended_is_wrong(tmp_path):
    (tmp_path / "index.json").write_text(
        '{"webpubsub": {"1.1": {"behavior": "OK", "behaviorClose": "OK", "reportfile": "1"}}}'
    )
    (tmp_path / "1").write_text('{"wirelog": [["KL", 1.0], ["KLE"]]}')
    assert runner.judge(tmp_path).wrong == {"1.1": "ended by the kill timer"}
