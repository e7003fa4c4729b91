"""Blobs in an object store: Amazon S3 and what speaks its language, Google Cloud Storage, Azure.

address   ``s3://bucket/prefix``, ``gs://bucket/prefix``, ``az://account/container/prefix``
access    the settings ``s3.…``, otherwise what the provider's own tools read: environment
          variables, roles of the machine; never part of an address or a message
put_new   a conditional PUT (``If-None-Match: *``). A reply that was lost is asked for: where the
          blob is there with our very bytes, it was us. So the bytes must be the writer's own
retry     429, 5xx and lost connections are tried again with jitter by the client, for up to
          ``RETRY_S``; what remains is a StoreError that may be tried again LATER
extra     s3
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from millstream.errors import Domain, MissingExtra, OptionError, Retry
from millstream.ports.options import Secret
from millstream.ports.store import Bytes, NotThere, Store, StoreError
from millstream.settings import Settings
from millstream.stores.names import checked

SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss")
RETRY_S = 60
TRIES_MAX = 10
REQUEST_S = 30
CONNECT_S = 5
NEW_TRIES_MAX = 4
"""Conditional PUTs are not repeated by the client: whether one got through must be found out."""
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_USER = re.compile(r"//[^/]*@")
Found = TypeVar("Found")


class ObjectStore(Store):
    """The objects below one prefix of one bucket."""

    def __init__(self, address: str, settings: Settings, *, retry_s: float = RETRY_S) -> None:
        self.place = address.rstrip("/")
        if _USER.search(address):
            raise OptionError(
                "Keys do not belong in an address: it is shown in messages.",
                hint="Set s3.access-key and s3.secret-key, or what the environment has for them.",
            )
        self._client = _client(self.place, settings, retry_s)
        self._retry_s = retry_s
        self._chance = random.Random()  # noqa: S311 (jitter of retries)

    def put(self, name: str, data: Bytes) -> None:
        import obstore

        self._do(name, lambda: obstore.put(self._client, checked(name), data))

    def put_new(self, name: str, data: Bytes) -> bool:
        failure: StoreError | None = None
        until_s = time.monotonic() + self._retry_s
        for number in range(NEW_TRIES_MAX):
            try:
                found = self._create(name, data)
            except StoreError as error:
                if error.retry is Retry.NEVER:
                    raise
                failure = error
            else:
                if found is not None:
                    return found
            if time.monotonic() >= until_s:
                break
            time.sleep(self._chance.uniform(0, 0.1 * 2**number))
        if failure is None:
            failure = StoreError(
                f"'{name}' is being written by another.", where=self.place, retry=Retry.LATER
            )
        raise failure

    def _create(self, name: str, data: Bytes) -> bool | None:
        """Try to make a blob; None where it is said to be there and is not: a race to repeat."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        def create() -> bool:
            try:
                obstore.put(self._client, checked(name), data, mode="create", use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            return True

        if self._do(name, create):
            return True
        try:
            return self.get(name) == bytes(data)
        except NotThere:
            return None

    def get(self, name: str, *, start: int = 0, length: int | None = None) -> bytes:
        import obstore

        if length == 0:
            return b""
        if start == 0 and length is None:
            return self._do(name, lambda: bytes(obstore.get(self._client, checked(name)).bytes()))
        if length is None:
            length = self.size(name) - start
        return self._do(
            name,
            lambda: bytes(
                obstore.get_range(self._client, checked(name), start=start, length=length)
            ),
        )

    def names(self, prefix: str = "") -> list[str]:
        import obstore

        below = prefix.rpartition("/")[0] or None

        def listed() -> list[str]:
            pages = obstore.list(self._client, below, chunk_size=1000)
            return [str(entry["path"]) for page in pages for entry in page]

        return sorted(n for n in self._do(prefix, listed) if n.startswith(prefix))

    def size(self, name: str) -> int:
        import obstore

        return self._do(name, lambda: int(obstore.head(self._client, checked(name))["size"]))

    def delete(self, name: str) -> None:
        import obstore

        try:
            self._do(name, lambda: obstore.delete(self._client, checked(name)))
        except NotThere:
            return

    def _do(self, name: str, call: Callable[[], Found]) -> Found:
        from obstore import exceptions

        try:
            return call()
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error) or "NoSuchContainer" in str(error):
                raise StoreError(
                    "The bucket does not exist.", where=self.place,
                    hint="Make it first, or mend its name.", domain=Domain.CONFIG,
                ) from None  # fmt: skip
            raise NotThere(f"There is no '{name}'.", where=self.place) from None
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise StoreError(
                f"The object store refuses us: {_said(error)}.", where=self.place,
                hint="Check the keys or the role, and what it may do in this bucket.",
                domain=Domain.AUTH,
            ) from None  # fmt: skip
        except (exceptions.BaseError, OSError) as error:
            # The client's own text is left out: a refused request may come back with its keys.
            raise self._translated(error) from None

    def _translated(self, error: Exception) -> StoreError:
        status = _STATUS.search(str(error))
        number = None if status is None else int(status[1])
        domain, retry = Domain.NETWORK, Retry.LATER
        hint = "Check the address and the network; a restart goes on from the last checkpoint."
        if number in (429, 503):
            domain, hint = Domain.LIMIT, "It is throttled or down; a restart goes on later."
        elif number is not None and number >= 500:
            domain, hint = Domain.SYSTEM, "It failed by itself; a restart goes on later."
        elif number is not None:
            domain, retry, hint = Domain.CONFIG, Retry.NEVER, "Check the address and the region."
        return StoreError(
            f"The object store did not answer as it should: {_said(error)}.",
            where=self.place, hint=hint, retry=retry, domain=domain,
        )  # fmt: skip


def _said(error: Exception) -> str:
    """Return status and code of an answer: what can be told without telling a secret."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    parts = [f"status {status[1]}" if status else "no answer", code[1] if code else ""]
    return ", ".join(p for p in parts if p)


def _plain(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


def _client(address: str, settings: Settings, retry_s: float) -> Any:
    try:
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise MissingExtra("obstore", "s3", where=address) from None
    endpoint = settings.s3_endpoint
    options: dict[str, Any] = {}
    if address.startswith(("s3://", "s3a://")):
        given = {
            "endpoint": endpoint,
            "region": settings.s3_region or ("us-east-1" if endpoint else None),
            "access_key_id": _plain(settings.s3_access_key),
            "secret_access_key": _plain(settings.s3_secret_key),
        }
        options = {name: value for name, value in given.items() if value is not None}
        options["virtual_hosted_style_request"] = not settings.s3_path_style
    plain = endpoint is not None and endpoint.startswith("http://")
    make: Any = from_url  # its overloads tell the providers apart by what this does not know
    try:
        return make(
            address,
            config=options or None,
            client_options={
                "timeout": timedelta(seconds=min(REQUEST_S, retry_s)),
                "connect_timeout": timedelta(seconds=min(CONNECT_S, retry_s)),
                **({"allow_http": True} if plain else {}),
            },
            retry_config={
                "max_retries": TRIES_MAX,
                "retry_timeout": timedelta(seconds=retry_s),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=5),
                    "base": 2,
                },
            },
        )
    except (BaseError, ValueError) as error:
        fact = str(error).splitlines()[0]
        raise OptionError(
            f"'{address}' is not an object store's address: {fact}.",
            hint="For instance s3://bucket/folder, gs://bucket/folder.",
        ) from None
