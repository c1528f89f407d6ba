"""RTSP addresses: by which transport the pictures travel, and what to try where that one is refused."""

from __future__ import annotations

import errno

from rtviz.sources.files import without_password

# RTP in the connection of RTSP itself, which passes every firewall; or in UDP packets, which some servers take alone.
TRANSPORTS = ("tcp", "udp")  # the first where an address names none


def transport_of(address: str) -> tuple[str, str]:
    """An address without the transport that it names, and the transport: of `rtsp://host/path?transport=udp`
    `rtsp://host/path` and "udp". The rest of the query is the server's own."""
    base, _, query = address.partition("?")
    parts = query.split("&")
    named = {f"transport={transport}": transport for transport in TRANSPORTS}
    found = [named[part] for part in parts if part in named]
    rest = "&".join(part for part in parts if part not in named)
    return (f"{base}?{rest}" if rest else base), (found[-1] if found else TRANSPORTS[0])


def other_transport(address: str, error: Exception) -> str:
    """The end of a sentence about an error of FFmpeg at an address: how to ask for the other transport, where this one
    may be what is refused; else nothing."""
    if not address.lower().startswith("rtsp"):
        return ""
    import av

    place, transport = transport_of(address)
    named = (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError, av.error.HTTPNotFoundError)
    refused = isinstance(error, av.error.HTTPError) and not isinstance(error, named)
    refused = refused or getattr(error, "errno", None) == errno.EPROTONOSUPPORT  # what FFmpeg makes of 461
    # A firewall drops UDP without a word.
    refused = refused or (transport == "udp" and isinstance(error, (av.error.ExitError, TimeoutError)))
    if not refused:
        return ""
    other = TRANSPORTS[1 - TRANSPORTS.index(transport)]
    mark = "&" if "?" in place else "?"
    return f"; it may take {other} only: {without_password(place)}{mark}transport={other}"


__all__ = ["TRANSPORTS", "other_transport", "transport_of"]
