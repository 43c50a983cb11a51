"""Errors are named after the reaction they ask for."""

from __future__ import annotations


class BotError(Exception):
    """The root of all errors of ours."""


class Unavailable(BotError):
    """An input is missing or stale: skip this decision for these symbols."""


class Retryable(BotError):
    """The venue may answer later: try again within the time limit."""


class OrderRefused(BotError):
    """The venue said no: record it, re-plan, never send the same order again."""


class Fatal(BotError):
    """State that cannot be trusted: cancel all orders, stop, call a person."""


class ConfigRefused(BotError):
    """The configuration, the data or the command cannot be used as given; the message is one line for its author."""

    exit_code = 78


class DataRefused(BotError):
    """A data file is missing, malformed or too thin; the message names file, series, row and what to do."""

    exit_code = 1


class Busy(BotError):
    """Another instance holds the account: try again later."""

    exit_code = 75


class StaysDown(BotError):
    """It crashed too often of late: a person must look before it starts again."""

    exit_code = 75
