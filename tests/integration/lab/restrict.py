#!/usr/bin/python3
"""Runs a command in a world where a system call fails: restrict.py ENOSYS|EPERM[@CALL] COMMAND...

A seccomp filter answers that one system call (io_uring_setup) with the error, as an old kernel (ENOSYS),
a container profile or kernel.io_uring_disabled=2 (EPERM) does. The filter survives exec; everything else
works.
"""
import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
CALLS = {"io_uring_setup": 425, "landlock_create_ruleset": 444}  # the same numbers on every architecture
LOAD_SYSCALL_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
SECCOMP_ALLOW, SECCOMP_ERRNO = 0x7FFF0000, 0x00050000


def instruction(code, jump_true, jump_false, value):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def deny(call, error):
    program = b"".join([
        instruction(LOAD_SYSCALL_NUMBER, 0, 0, 0),
        instruction(JUMP_IF_EQUAL, 0, 1, CALLS[call]),
        instruction(RETURN, 0, 0, SECCOMP_ERRNO | error),
        instruction(RETURN, 0, 0, SECCOMP_ALLOW)])
    buffer = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    number, _, name = sys.argv[1].partition("@")
    deny(name or "io_uring_setup", getattr(errno, number))
    os.execv(sys.argv[2], sys.argv[2:])
