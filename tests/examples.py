"""How many random examples a dear property test draws: few by default, more when somebody asks for it."""

from __future__ import annotations

import os


def examples(few: int) -> int:
    """`few`, times PROPERTY_EXAMPLES if that is set: the whole suite has ten minutes, a night has more."""
    return few * int(os.environ.get("PROPERTY_EXAMPLES", "1"))
