"""One account's folder: `home/<kind>/<account>/`, what lies where in it, and the lock that lets one instance in."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bot.domain.errors import Busy, ConfigRefused

KINDS: Final = ("demo", "paper", "shadow", "live", "replay", "sim")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SOCKET_BYTES_MAX: Final = 100


class AccountDir:
    """Where one account's state lies. Only `prepare` touches the disk."""

    def __init__(self, home: Path, kind: str, account: str, short_folder: Path | None = None) -> None:
        """`short_folder`: where sockets and the second kill latch go; default a folder of ours under the temp dir.

        Raises:
            ConfigRefused: an account or kind that cannot be a folder's name.
        """
        if kind not in KINDS:
            raise ConfigRefused(f"kind of run {kind!r}: must be one of {', '.join(KINDS)}")
        if not _NAME.fullmatch(account):
            raise ConfigRefused(f"account {account!r}: use letters, digits, '.', '_' and '-', at most 64")
        self.kind = kind
        self.account = account
        self.folder = home.absolute() / kind / account
        self._short = short_folder or Path(tempfile.gettempdir()) / f"evenkeel-{os.getuid()}"

    @property
    def journal(self) -> Path:
        """The journal."""
        return self.folder / "journal.db"

    @property
    def venue(self) -> Path:
        """The simulated exchange's own books."""
        return self.folder / "venue.db"

    @property
    def snapshots(self) -> Path:
        """The folder of engine snapshots."""
        return self.folder / "snapshots"

    @property
    def backups(self) -> Path:
        """The folder of backups."""
        return self.folder / "backups"

    @property
    def ballast(self) -> Path:
        """The file that gives its space to protective writes when the disk is full."""
        return self.folder / "BALLAST"

    @property
    def epoch(self) -> Path:
        """The newest epoch, beside the journal."""
        return self.folder / "EPOCH"

    @property
    def starts(self) -> Path:
        """Starts and clean ends of the daemon."""
        return self.folder / "starts.json"

    @property
    def log(self) -> Path:
        """The log file."""
        return self.folder / "evenkeel.log"

    @property
    def kill_record(self) -> Path:
        """How fast each kill was, drilled or meant."""
        return self.folder / "kills.jsonl"

    @property
    def kill_places(self) -> tuple[Path, Path]:
        """Where the kill latch is kept: here, and in the runtime folder."""
        return self.folder / "KILL", self._short / f"{self._digest()}.KILL"

    @property
    def socket(self) -> Path:
        """The control socket: here, or at a short path where the kernel would not take this one."""
        plain = self.folder / "control.sock"
        return plain if len(os.fsencode(plain)) <= _SOCKET_BYTES_MAX else self._short / f"{self._digest()}.sock"

    @property
    def lock_file(self) -> Path:
        """The lock; holds the pid of the instance."""
        return self.folder / "lock"

    def _digest(self) -> str:
        return hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]

    def prepare(self) -> Self:
        """Make the folders (mode 0700) and see that they can be written.

        Raises:
            ConfigRefused: they cannot, or the runtime folder belongs to someone else.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.folder / f".probe-{os.getpid()}"
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT, 0o600))
            probe.unlink()
        except OSError as error:
            raise ConfigRefused(f"{self.folder}: cannot be written ({error.strerror}); choose another --home") from None
        try:
            self._short.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self._short.lstat()
        except OSError as error:
            raise ConfigRefused(f"{self._short}: cannot be made ({error.strerror}); set TMPDIR") from None
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise ConfigRefused(f"{self._short}: belongs to someone else or others may write it; remove it")
        return self

    def lock(self) -> AccountLock:
        """Take the account for this process.

        Raises:
            Busy: another instance holds it; names its pid.
        """
        return AccountLock(self.lock_file)

    def holder(self) -> int | None:
        """The pid of the instance that holds the lock, or None if none does."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return _pid(descriptor)
        finally:
            os.close(descriptor)
        return None


class AccountLock:
    """A held lock; the kernel releases it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise ConfigRefused(f"{path}: cannot be opened ({error.strerror}); choose another --home") from None
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = _pid(self._descriptor)
            os.close(self._descriptor)
            raise Busy(f"{path.parent}: another instance (pid {pid or 'unknown'}) runs this account; "
                       "stop it first, or use --account") from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next instance in; twice is harmless."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.release()


def _pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
