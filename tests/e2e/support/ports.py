"""Ports that stay a test's own from when they are chosen to its end."""

import socket


def hold(port=0):
    """A socket that is bound to it and does not listen: who names the port may listen on it, and nobody gets it by
    chance. Programs have to set SO_REUSEADDR, as servers do."""
    held = socket.socket()
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        held.setsockopt(socket.SOL_SOCKET, option, 1)
    held.bind(("127.0.0.1", port))
    return held
