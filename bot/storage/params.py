"""The settings of storage."""

from __future__ import annotations

import math

import msgspec

from bot.domain.errors import ConfigRefused


class StorageParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How records are kept; none of it changes what the engine decides."""

    market_rows_kept_days: float = 7.0
    """Plain market data leave the journal after so many days of engine time; all else stays for ever."""
    backups_kept: int = 7
    """Automatic backups beyond so many are removed, oldest first."""
    backup_spacing_s: float = 600.0
    """The daily backup and check of the chain come at most so often in real time: the demo's days are short."""
    disk_warn_mib: float = 1024.0
    """Less free space than this is alerted."""
    disk_block_mib: float = 200.0
    """Less than this blocks new positions until there is space again."""
    ballast_mib: float = 16.0
    """Kept in a file that is freed for protective writes when the disk is full."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ConfigRefused(f"storage.{name} = {value}: must be above 0 and finite")
        if self.backups_kept < 7:
            raise ConfigRefused(f"storage.backups_kept = {self.backups_kept}: at least 7, a week of days")
        if self.disk_block_mib > self.disk_warn_mib:
            raise ConfigRefused(f"storage.disk_block_mib = {self.disk_block_mib}: must not be above disk_warn_mib "
                                f"({self.disk_warn_mib})")
        if self.ballast_mib > 1024:
            raise ConfigRefused(f"storage.ballast_mib = {self.ballast_mib}: at most 1024")
