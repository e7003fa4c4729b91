"""What the faults' tests share: a scene on the session's servers, a feed and readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.feed import Feed
from tests.faults.readers import Readers
from tests.faults.scene import Scene

if TYPE_CHECKING:
    from tests.servers.kafka import KafkaServer


@pytest.fixture
def scene(kafka: KafkaServer, database: str, tmp_path: Path) -> Iterator[Scene]:
    """A pipeline of this test's own; killed with the test."""
    made = Scene(kafka.plain, database, tmp_path)
    yield made
    made.kill()


@pytest.fixture
def feed(scene: Scene) -> Iterator[Callable[..., Feed]]:
    """Makes the producer of the scene; ended with the test."""
    made: list[Feed] = []

    def make(**how: Any) -> Feed:
        made.append(Feed(scene.direct, scene.source, scene.folder, **how))
        return made[-1]

    yield make
    for each in made:
        each.stop_quietly()


@pytest.fixture
def readers(scene: Scene) -> Iterator[Readers]:
    """Readers that look at the scene's sinks from now on."""
    made = Readers(scene)
    yield made
    made.leave()


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keeps figures of a test for RESULTS.md."""

    def keep(**figures: object) -> None:
        request.node.user_properties.extend(figures.items())

    return keep
