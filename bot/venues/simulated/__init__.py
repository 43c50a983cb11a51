"""The paper exchange and the embedded market: truth of their own.

May import telemetry and the pure layers. Used by runtime and app. Read in this order: `exchange` (the port), `requests`
and `delivery` (the way there and back, with faults), `admission`, `matching`, `resting` (orders), `margin`, `funding`,
`transfers` (money), `desk`, `account`, `board`, `positions` (what a venue holds), `saved`, `bookkeeper`, `books_file`
(what survives).
"""
