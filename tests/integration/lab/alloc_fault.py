"""Makes one allocation of a running hop fail: the other side of tests/fault/alloc_fault.c."""
import mmap
import struct
import subprocess

FRAMES_MAX = 24
FIELDS = ("fail_at", "count", "threads", "failed", "leak_at")
LEAK_BYTES = 1234
SIZE = 8 * (len(FIELDS) + FRAMES_MAX)
MAIN_THREAD, WORKERS = 1, 2


class AllocFault:
    """The plan that a hop maps; give its environment `env` and run it from `binary`."""

    def __init__(self, hopgate, path):
        self.binary = hopgate.with_name("hopgate_alloc_fault")
        path.write_bytes(bytes(SIZE))
        with open(path, "r+b") as file:
            self.plan = mmap.mmap(file.fileno(), SIZE)
        self.env = {"ALLOC_FAULT_PLAN": str(path)}

    def read(self, name):
        return struct.unpack_from("<Q", self.plan, 8 * FIELDS.index(name))[0]

    def write(self, name, value):
        struct.pack_into("<Q", self.plan, 8 * FIELDS.index(name), value)

    def arm(self, number, threads):
        """From now on allocations of those threads are counted; this one fails (0: none)."""
        self.write("threads", 0)
        self.write("failed", 0)
        self.write("count", 0)
        self.write("fail_at", number)
        self.write("threads", threads)

    def leak(self, threads):
        """The next allocation of those threads leaks LEAK_BYTES."""
        self.write("leak_at", 1)
        self.arm(0, threads)

    def disarm(self):
        """How many were counted, and whether one failed."""
        self.write("threads", 0)
        return self.read("count"), self.read("failed") > 0

    def where(self):
        """Who asked for the memory that was not given, innermost first."""
        frames = [f for f in struct.unpack_from(f"<{FRAMES_MAX}Q", self.plan, 8 * len(FIELDS)) if f]
        told = subprocess.run(["addr2line", "-fse", str(self.binary), *(hex(f - 1) for f in frames)],
                              capture_output=True, text=True, check=False).stdout.split("\n")
        return " < ".join(f"{name} {place}" for name, place in zip(told[::2], told[1::2]))
