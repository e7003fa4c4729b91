"""The parts of a URL, cut as java.net.URL cuts them.

in      a text, the name of a part, perhaps a key of the query
out     the part; None where there is none, the text is no URL, or Java knows no such protocol
"""

from __future__ import annotations

import re

_PROTOCOLS = ("http", "https", "ftp", "file", "jar", "mailto", "jrt", "jmod")
_SCHEME = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]*):")
_PORT = re.compile(r"-?\d*")


def url_part(url: str, part: str, key: str | None = None) -> str | None:
    """Return a part of a URL, or the value of ``key`` in its query.

    >>> url_part("http://user@host:80/a/b?x=1#top", "FILE")
    '/a/b?x=1'
    """
    parts = _parts(url)
    if parts is None:
        return None
    if key is None:
        return parts.get(part)
    query = parts["QUERY"] if part == "QUERY" else None
    found = None if query is None else re.search(rf"(?:&|^){re.escape(key)}=([^&]*)", query)
    return None if found is None else found[1]


def _parts(url: str) -> dict[str, str | None] | None:
    scheme = _SCHEME.match(url)
    if scheme is None or scheme[1].lower() not in _PROTOCOLS:
        return None
    rest = url[scheme.end() :].strip()
    rest, _, fragment = rest.partition("#")
    path, asked, query = rest.partition("?")
    parts: dict[str, str | None] = dict.fromkeys(("AUTHORITY", "USERINFO"))
    parts["PROTOCOL"], parts["HOST"] = scheme[1].lower(), ""
    parts["REF"] = fragment if "#" in url else None
    if path.startswith("//"):
        authority, slash, behind = path[2:].partition("/")
        path = slash + behind
        host = _host(authority)
        if host is None:
            return None
        user, at, _ = authority.rpartition("@")
        parts["AUTHORITY"] = authority
        parts["USERINFO"] = user if at else None
        parts["HOST"] = host
    parts["PATH"] = path
    parts["QUERY"] = query if asked else None
    parts["FILE"] = f"{path}?{query}" if asked else path
    return parts


def _host(authority: str) -> str | None:
    """Return the host without user and port, or None where the port is no number."""
    behind = authority.rpartition("@")[2]
    if behind.startswith("["):
        host, close, rest = behind.partition("]")
        if not close or (rest and not rest.startswith(":")):
            return None
        return host + close if _PORT.fullmatch(rest[1:]) else None
    host, _, port = behind.partition(":")
    return host if _PORT.fullmatch(port) else None
