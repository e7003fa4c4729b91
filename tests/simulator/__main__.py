"""``python -m tests.simulator SEED`` plays one seed and prints what happened.

``python -m tests.simulator FIRST LAST`` plays many and prints those that fail.
"""

from __future__ import annotations

import sys
import time

from tests.simulator.simulation import Failed, play, scenario_of


def main(arguments: list[str]) -> int:
    """Play the seeds that are named."""
    if len(arguments) == 1:
        _say(str(scenario_of(int(arguments[0]))))
        try:
            played = play(int(arguments[0]))
        except Failed as failed:
            _say(str(failed))
            return 1
        _say("\n".join(played.simulation.trace))
        return 0
    first, last = map(int, arguments)
    wrong, started_s = 0, time.monotonic()
    for seed in range(first, last):
        try:
            play(seed)
        except Failed as failed:
            wrong += 1
            _say(f"{scenario_of(seed)} | {failed.why.splitlines()[0][:160]}")
    _say(f"{wrong} of {last - first} seeds fail, {time.monotonic() - started_s:.1f} s")
    return 1 if wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
