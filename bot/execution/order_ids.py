"""Names of what we send: one intent, one client id, for ever."""

from __future__ import annotations

import hashlib

from bot.domain.values import OWN_PREFIX, OrderId


def client_order_id(account: str, epoch: int, counter: int) -> OrderId:
    """The client id of the intent (epoch, counter): 32 lower-case hex digits with our own prefix."""
    digest = hashlib.blake2b(f"{account}/{epoch}/{counter}".encode(), digest_size=14).hexdigest()
    return OrderId(OWN_PREFIX + digest)


def is_ours(order_id: str) -> bool:
    """Whether an order found at a venue carries our prefix."""
    return order_id.startswith(OWN_PREFIX)


def unit_hash(*parts: object) -> float:
    """A number in [0, 1) fixed by its parts: the only source of jitter."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
