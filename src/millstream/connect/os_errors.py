"""What kind of trouble an error of the operating system is, and whether waiting can mend it."""

from __future__ import annotations

import errno
from typing import Any

from millstream.errors import Domain, Retry

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_WRONG = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EBADF}
_BROKEN = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EBUSY, errno.EINTR}


def kind_of(error: Exception) -> dict[str, Any]:
    """Return ``domain`` and ``retry`` of a ConnectorError about it.

    >>> kind_of(OSError(errno.ENOSPC, "No space left on device"))["retry"]
    <Retry.LATER: 'later'>
    """
    number = getattr(error, "errno", None)
    if number in _FULL:
        return {"domain": Domain.LIMIT, "retry": Retry.LATER}
    if number in _FORBIDDEN:
        return {"domain": Domain.AUTH, "retry": Retry.NEVER}
    if number in _WRONG:
        return {"domain": Domain.CONFIG, "retry": Retry.NEVER}
    return {"domain": Domain.SYSTEM, "retry": Retry.LATER if number in _BROKEN else Retry.NEVER}
