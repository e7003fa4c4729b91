"""The shared contract's asserts show their values, as a test file's own do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.connect.contract")
