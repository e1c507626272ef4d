"""A disk under a running hop that waits, or fails: the other side of tests/fault/sync_fault.c."""
import contextlib

from .wait import wait_until


class SyncFault:
    """Give a hop's environment `env` and run it from `binary`."""

    def __init__(self, hopgate, folder):
        self.binary = hopgate.with_name("hopgate_sync_fault")
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.env = {"SYNC_FAULT": str(folder)}

    @contextlib.contextmanager
    def held(self):
        """No commit ends within; call() the result to wait until one has begun."""
        (self.folder / "held").unlink(missing_ok=True)
        (self.folder / "hold").touch()
        try:
            yield lambda: wait_until((self.folder / "held").exists, "a commit to be under way")
        finally:
            (self.folder / "hold").unlink()

    @contextlib.contextmanager
    def failing(self, number):
        """Each synchronisation fails with that errno."""
        (self.folder / "fail").write_text(str(number))
        try:
            yield
        finally:
            (self.folder / "fail").unlink()
