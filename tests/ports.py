"""Ports of this machine, for the tests that start servers."""

import socket

import httpx


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(address: str) -> bool:
    """Whether a server is there; what it answers does not matter."""
    try:
        httpx.get(address)
    except httpx.TransportError:
        return False
    return True
