"""Every fault of the table is tested, or says why not yet."""

from __future__ import annotations

from tests.faults.table import FAULTS, REASONS, found_tests


def test_every_fault_has_a_test_or_a_reason() -> None:
    """A row that nobody tests and nobody explains would look like one that passes."""
    tested = found_tests()
    assert sorted(FAULTS) == list(range(1, 29))
    assert [n for n in FAULTS if n not in tested and n not in REASONS] == []


def test_a_reason_ends_with_its_first_test() -> None:
    """What says "not yet" beside a test that runs is not true any more."""
    assert sorted(set(found_tests()) & set(REASONS)) == []
    assert set(found_tests()) <= set(FAULTS), "a test bears the number of no fault"
