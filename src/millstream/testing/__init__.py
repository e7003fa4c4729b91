"""What users test with as we do: trials, crash safety, SQL cases, the connector contract.

Nothing in the package imports this; it is for tests.
"""

from __future__ import annotations

from millstream.testing.crash_safe import assert_crash_safe
from millstream.testing.trial import Trial

__all__ = ["Trial", "assert_crash_safe"]
