"""A real single-node Kafka (KRaft), from the broker's own Maven artifacts.

needs   java 17 or later, openssl; the jars come once through Maven into the cache folder
        (MILLSTREAM_CACHE or ~/.cache/millstream-tests)
out     loopback listeners: PLAINTEXT, SASL_PLAINTEXT, SSL and SASL_SSL, with PLAIN and SCRAM users
        and a certificate of a private authority; topics are created by the tests or on demand
        with three partitions
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.servers import keeper, ports
from tests.servers.shared import NoServer

VERSION = "4.3.1"
USER, PASSWORD = "mill", "wheel-secret"
ADMIN_PASSWORD = "broker-secret"
START_LIMIT_S = 90.0
FETCH_LIMIT_S = 600.0
STARTS_MAX = 3

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>millstream</groupId><artifactId>test-kafka</artifactId><version>1</version>
<dependencies>
 <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
  <version>{version}</version></dependency>
 <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId>
  <version>1.7.36</version></dependency>
</dependencies></project>
"""
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"

PROPERTIES = """process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{plain},SASLPLAIN://127.0.0.1:{sasl},TLS://127.0.0.1:{tls},\
SASLTLS://127.0.0.1:{sasl_tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASLPLAIN://127.0.0.1:{sasl},\
TLS://127.0.0.1:{tls},SASLTLS://127.0.0.1:{sasl_tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASLPLAIN:SASL_PLAINTEXT,TLS:SSL,\
SASLTLS:SASL_SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={folder}/data
num.partitions=3
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.coordinator.rebalance.protocols=classic,consumer
transaction.partition.verification.enable=true
log.flush.interval.messages=9223372036854775807
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
{jaas}ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
"""
JAAS = (
    "listener.name.{name}.plain.sasl.jaas.config="
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="admin" password="{admin}" user_admin="{admin}" user_{user}="{password}";\n'
    "listener.name.{name}.scram-sha-256.sasl.jaas.config="
    "org.apache.kafka.common.security.scram.ScramLoginModule required;\n"
)


@dataclass(frozen=True, slots=True)
class KafkaServer:
    """Where the broker listens; addresses are bootstrap strings."""

    plain: str
    sasl: str
    tls: str
    sasl_tls: str
    ca_file: str
    other_ca_file: str
    user: str
    password: str
    keeper: int


def jars() -> Path:
    """Folder of the broker's jars, fetched through Maven at the first call."""
    cache = Path(os.environ.get("MILLSTREAM_CACHE") or Path.home() / ".cache" / "millstream-tests")
    folder = cache / f"kafka-{VERSION}"
    if (folder / "complete").exists():
        return folder / "lib"
    if shutil.which("mvn") is None:
        raise NoServer("Kafka's jars are not here and Maven is missing (apt-get install maven)")
    work = cache / f"kafka-{VERSION}.{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    (work / "pom.xml").write_text(POM.format(version=VERSION))
    command = ["mvn", "-q", "-B", COPY, "-DincludeScope=runtime", "-DoutputDirectory=lib"]
    try:
        done = subprocess.run(
            command, cwd=work, capture_output=True, text=True, timeout=FETCH_LIMIT_S, check=False
        )
        if done.returncode != 0:
            lines = [t for t in done.stdout.splitlines() if "ERROR" in t and len(t) > 30]
            raise NoServer(f"Maven could not bring Kafka {VERSION}: {' '.join(lines[:1])}")
        (work / "complete").touch()
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    except subprocess.TimeoutExpired as error:
        raise NoServer(f"Maven took more than {FETCH_LIMIT_S:.0f} s for Kafka's jars") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder / "lib"


def start(
    folder: Path, session: int, *, listens: int | None = None, advertised: int | None = None
) -> dict[str, Any]:
    """Start a broker below `folder`; NoServer says what is missing.

    One more listener, on the port `listens`, sends its clients to the port `advertised`: a proxy.
    """
    for program, package in (("java", "openjdk-17-jre-headless"), ("openssl", "openssl")):
        if shutil.which(program) is None:
            raise NoServer(f"{program} is missing (apt-get install {package})")
    lib = jars()
    _certificates(folder)
    trouble = ""
    for attempt in range(STARTS_MAX):  # a chosen port may be taken before the broker binds it
        place = folder / f"try{attempt}"
        place.mkdir()
        for file in folder.glob("*.pem"):
            shutil.copy(file, place)
        found = _start_once(lib, place, session, listens, advertised)
        if isinstance(found, KafkaServer):
            return asdict(found)
        trouble = found
    raise NoServer(f"Kafka {VERSION} did not start: {trouble}")


def _start_once(
    lib: Path, folder: Path, session: int, listens: int | None, advertised: int | None
) -> KafkaServer | str:
    names = ("plain", "sasl", "tls", "sasl_tls", "controller")
    port = dict(zip(names, ports.free_ports(len(names)), strict=True))
    jaas = "".join(
        JAAS.format(name=name, admin=ADMIN_PASSWORD, user=USER, password=PASSWORD)
        for name in ("saslplain", "sasltls")
    )
    properties = folder / "server.properties"
    text = PROPERTIES.format(**port, folder=folder, jaas=jaas)
    if listens is not None:
        for line, at in (("\nlisteners=", listens), ("\nadvertised.listeners=", advertised)):
            text = text.replace(line, f"{line}PROXIED://127.0.0.1:{at},")
        text = text.replace("protocol.map=", "protocol.map=PROXIED:PLAINTEXT,")
    properties.write_text(text)
    java = ["java", "-Xmx512m", "-Xshare:auto", "-XX:+UseSerialGC", "-cp", f"{lib}/*"]
    java.append("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
    scram = f"SCRAM-SHA-256=[name={USER},password={PASSWORD}]"
    cluster = ["-t", "bWlsbHN0cmVhbS10ZXN0cw", "-c", str(properties), "-g", "--add-scram", scram]
    formatted = subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", *cluster],
        capture_output=True, text=True, timeout=START_LIMIT_S, check=False,
    )  # fmt: skip
    if formatted.returncode != 0:
        return f"format: {(formatted.stdout + formatted.stderr)[-400:].strip()}"
    held = keeper.launch(
        [*java, "kafka.Kafka", str(properties)], folder, session=session, stop_with="SIGKILL"
    )

    def settled() -> bool:
        return held.poll() is not None or _answers(f"127.0.0.1:{port['plain']}")

    if not ports.wait_until(settled, limit_s=START_LIMIT_S) or held.poll() is not None:
        log = folder / "server.log"
        text = log.read_text(errors="replace")[-600:].strip() if log.exists() else "no log"
        keeper.stop(held.pid)
        return text
    return KafkaServer(
        **{name: f"127.0.0.1:{port[name]}" for name in names[:4]},
        ca_file=str(folder / "ca.pem"),
        other_ca_file=str(folder / "other.pem"),
        user=USER,
        password=PASSWORD,
        keeper=held.pid,
    )


def _answers(address: str) -> bool:
    """Whether the broker gives metadata (an open port alone is too early)."""
    if not ports.is_open(int(address.rpartition(":")[2])):
        return False
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        client = AdminClient({"bootstrap.servers": address, "log_level": 0})
        return len(client.list_topics(timeout=5).brokers) == 1
    except KafkaException:
        return False


def _certificates(folder: Path) -> None:
    """An authority, a server certificate signed by it, and an authority nobody knows."""

    def openssl(*line: str) -> None:
        subprocess.run(["openssl", *line], cwd=folder, capture_output=True, check=True)

    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
                "-keyout", f"{name}.key", "-out", f"{name}.pem",
                "-subj", f"/CN=millstream {name}")  # fmt: skip
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out",
            "server.csr", "-subj", "/CN=127.0.0.1")  # fmt: skip
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days",
            "3650", "-CAcreateserial", "-extfile", "names", "-out", "server.crt")  # fmt: skip
    both = (folder / "server.key").read_text() + (folder / "server.crt").read_text()
    (folder / "server.pem").write_text(both)


if __name__ == "__main__":
    if sys.argv[1:] != ["--fetch"]:
        sys.exit("usage: python -m tests.servers.kafka --fetch")
    try:
        jars()
    except NoServer as reason:
        sys.exit(str(reason))
