"""Apache Flink for the oracle: its jars from the Python wheel, and our runner compiled for it.

needs   a JDK 17 (java and javac); the wheel comes once through pip into the cache folder
        (MILLSTREAM_CACHE or ~/.cache/millstream-tests); nothing is installed beside our own
        packages, since Flink's pins clash with them
out     the command that runs `java Oracle CASES ANSWERS`
bad     NoFlink says what is missing
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

VERSION = "2.3.0"
FETCH_LIMIT_S = 900.0
HEAP = "1500m"
SOURCES = Path(__file__).parent / "java"
SERVICE = "META-INF/services/org.apache.flink.table.factories.Factory"
OPENS = ("java.base/java.util", "java.base/java.lang", "java.base/java.util.concurrent")


class NoFlink(Exception):
    """Flink cannot be run on this machine; the text says why and what would help."""


def cache() -> Path:
    """The folder where tests keep what they fetched."""
    return Path(os.environ.get("MILLSTREAM_CACHE") or Path.home() / ".cache" / "millstream-tests")


def present() -> bool:
    """Tell whether Flink is here already, so that nothing would have to be fetched."""
    here = (cache() / f"flink-{VERSION}" / "complete").exists()
    return here and all(shutil.which(program) for program in ("java", "javac"))


def command() -> list[str]:
    """Return the command to which the two file names are added."""
    for program in ("java", "javac"):
        if shutil.which(program) is None:
            raise NoFlink(f"{program} is missing (apt-get install openjdk-17-jdk-headless)")
    lib = _jars()
    classes = _compiled(lib)
    opens = [f"--add-opens={package}=ALL-UNNAMED" for package in OPENS]
    config = f"-Dlog4j.configurationFile={classes / 'log4j2.properties'}"
    path = os.pathsep.join([str(classes), str(lib / "*")])
    return ["java", f"-Xmx{HEAP}", "-Duser.timezone=UTC", config, *opens, "-cp", path, "Oracle"]


def _jars() -> Path:
    folder = cache() / f"flink-{VERSION}"
    if (folder / "complete").exists():
        return folder / "lib"
    work = cache() / f"flink-{VERSION}.{os.getpid()}"
    (work / "lib").mkdir(parents=True, exist_ok=True)
    try:
        _fetch(work)
        (work / "complete").touch()
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder / "lib"


def _fetch(work: Path) -> None:
    wanted = f"apache-flink-libraries=={VERSION}"
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [*pip, "--no-deps", "--no-cache-dir", "--only-binary=:all:", "-d", folder, wanted],
                capture_output=True,
                text=True,
                timeout=FETCH_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise NoFlink(f"pip took more than {FETCH_LIMIT_S:.0f} s for {wanted}") from error
        if done.returncode != 0:
            raise NoFlink(f"pip could not bring {wanted}: {done.stderr.strip()[-300:]}")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.startswith("pyflink/lib/") and name.endswith(".jar"):
                    target = work / "lib" / Path(name).name
                    with archive.open(name) as source, target.open("wb") as file:
                        shutil.copyfileobj(source, file)


def _compiled(lib: Path) -> Path:
    files = sorted(SOURCES.glob("*.java"))
    said = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = cache() / f"flink-{VERSION}-oracle-{said}"
    if folder.exists():
        return folder
    work = folder.with_name(f"{folder.name}.{os.getpid()}")
    (work / SERVICE).parent.mkdir(parents=True, exist_ok=True)
    (work / SERVICE).write_text("Memory\n")
    (work / "log4j2.properties").write_text("rootLogger.level = OFF\n")
    done = subprocess.run(
        ["javac", "-nowarn", "-d", str(work), "-cp", str(lib / "*"), *map(str, files)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        shutil.rmtree(work, ignore_errors=True)
        raise NoFlink(f"the runner does not compile: {done.stderr[-800:]}")
    if not folder.exists():
        work.rename(folder)
    shutil.rmtree(work, ignore_errors=True)
    return folder


if __name__ == "__main__":
    try:
        command()
    except NoFlink as reason:
        sys.exit(f"Flink is not here: {reason}")
