"""Where the peers' packages are: Python environments and jars, brought on demand.

out     an interpreter per pinned list ``benchmarks/peers/NAME.txt``, under ``.bench/NAME``; the
        jars of Flink's and Spark's Kafka connectors, under ``.bench/jars``
bad     Missing says what could not be had; that peer is then told as missing, the rest goes on
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.contract import KEPT, PEERS

from tests.oracle import environment as flink

FLINK_CONNECTOR = "5.0.0-2.2"
"""Made for Flink 2.2, the newest there is; it works on 2.3."""
SPARK_CONNECTOR = "4.0.0"
"""The newest of which Maven has both the connector and the token provider it needs."""
HEAP = "3g"
LIMIT_S = 1_200.0
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
_ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>millstream</groupId><artifactId>bench</artifactId><version>1</version>
<dependencies>{dependencies}</dependencies></project>
"""
_FLINK = (f"org.apache.flink:flink-sql-connector-kafka:{FLINK_CONNECTOR}",)
_SPARK = (
    f"org.apache.spark:spark-sql-kafka-0-10_2.13:{SPARK_CONNECTOR}",
    f"org.apache.spark:spark-token-provider-kafka-0-10_2.13:{SPARK_CONNECTOR}",
    "org.apache.kafka:kafka-clients:3.9.0",
    "org.apache.commons:commons-pool2:2.12.0",
)


class Missing(Exception):
    """A peer cannot be had on this machine; the text says why."""


def python(name: str) -> Path:
    """Return the interpreter of an environment, made when it is not there or is out of date."""
    folder, wanted = KEPT / name, (PEERS / f"{name}.txt").read_text()
    stamp = folder / "kafka-section"
    home = folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == wanted:
        return home
    if not home.exists():
        _run([sys.executable, "-m", "venv", str(folder)], f"an environment for {name}")
    pip = [str(home), "-m", "pip", "install", "--quiet", "-r", str(PEERS / f"{name}.txt")]
    _run(pip, f"pip's packages for {name}")
    stamp.write_text(wanted)
    return home


def pinned(name: str, package: str) -> str:
    """Return the version of a package in a list."""
    found = re.search(rf"^{package}==(\S+)", (PEERS / f"{name}.txt").read_text(), re.MULTILINE)
    assert found is not None, f"{name}.txt pins {package}"
    return found.group(1)


def flink_version() -> str:
    """Return Flink's version and its connector's."""
    return f"{flink.VERSION}, connector {FLINK_CONNECTOR}"


def flink_java() -> tuple[str, ...]:
    """Return java with everything Flink needs, the program still to be named."""
    connector = _jars(f"flink-kafka-{FLINK_CONNECTOR}", _FLINK)
    try:
        known = flink.command()
    except flink.NoFlink as reason:
        raise Missing(str(reason)) from reason
    path = os.pathsep.join([known[known.index("-cp") + 1], f"{connector}/*"])
    options = [o for o in known[1 : known.index("-cp")] if not o.startswith("-Xmx")]
    return ("java", f"-Xmx{HEAP}", *options, "-cp", path)


def spark_jars() -> Path:
    """Return the folder of what Spark needs for Kafka."""
    if shutil.which("java") is None:
        raise Missing("java is missing (apt-get install openjdk-17-jre-headless)")
    return _jars(f"spark-kafka-{SPARK_CONNECTOR}", _SPARK)


def _jars(name: str, wanted: tuple[str, ...]) -> Path:
    """Fetch artifacts through Maven, each without what it depends on: the list is whole."""
    folder = KEPT / "jars" / name
    if (folder / "complete").exists():
        return folder
    if shutil.which("mvn") is None:
        raise Missing(f"Maven is missing (apt-get install maven), so are the jars of {name}")
    folder.mkdir(parents=True, exist_ok=True)
    said = ""
    for artifact in wanted:
        group, label, version = artifact.split(":")
        said += f"<dependency><groupId>{group}</groupId><artifactId>{label}</artifactId>"
        said += f"<version>{version}</version>{_ALONE}</exclusions></dependency>"
    (folder / "pom.xml").write_text(_POM.format(dependencies=said))
    command = ["mvn", "-q", "-B", _COPY, "-DincludeScope=runtime", "-DoutputDirectory=."]
    _run(command, f"Maven's jars of {name}", folder)
    (folder / "complete").touch()
    return folder


def _run(command: list[str], what: str, folder: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{what}: not there after {LIMIT_S:.0f} s") from error
    if done.returncode != 0:
        raise Missing(f"{what} could not be had: {(done.stdout + done.stderr).strip()[-300:]}")
