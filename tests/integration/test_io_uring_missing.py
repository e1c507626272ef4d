"""A machine that does not let us have io_uring: one clear message with what to change, and an exit code."""
import os
import pathlib

import pytest

from lab.lab import NOBODY, service_to

RESTRICT = pathlib.Path(__file__).parent / "lab" / "restrict.py"
FAILURE = 1


def ends_with_a_message(hop, lab, *words):
    lab.expect_bad_end.add(hop)
    assert hop.spawn().wait_exit() == FAILURE
    said = hop.stderr()
    assert "hopgate: ready" not in said
    about = [line for line in said.splitlines() if "io_uring" in line]
    assert len(about) == 1, f"one message, not one per worker:\n{said}"
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("error, words", [
    ("ENOSYS", ["is not available", "6.1"]), ("EPERM", ["is disabled", "kernel.io_uring_disabled"]),
    ("EINVAL", ["is too old", "6.1"]), ("ENOMEM", ["not enough locked memory", "RLIMIT_MEMLOCK", "ulimit -l"]),
])
def test_system_call_that_fails(lab, error, words):
    """ENOSYS: a very old kernel; EINVAL: one before 6.1, which does not know our flags; EPERM: a container's seccomp
    profile (which this is), or the sysctl.

    The sysctl itself is left alone: it would take io_uring from every other program on the machine.
    """
    hop = lab.make_hop(service_to(lab.origin()), wrapper=[str(RESTRICT), error])
    ends_with_a_message(hop, lab, *words)


def test_too_little_locked_memory_names_the_limit(lab):
    if os.getuid() == 0:
        directory = lab.user_directory()
        user = NOBODY
    else:
        directory, user = lab.directory, None
    hop = unprivileged_hop(lab, directory, user, memlock_bytes=4096)
    ends_with_a_message(hop, lab, "RLIMIT_MEMLOCK")


def unprivileged_hop(lab, directory, user, memlock_bytes):
    lab.directory = directory
    lab.copy_binary(directory)
    return lab.make_hop(service_to(lab.origin()), user=user,
                        wrapper=["/usr/bin/prlimit", f"--memlock={memlock_bytes}:{memlock_bytes}"])
