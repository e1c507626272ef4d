#!/usr/bin/python3
"""Runs a command in a world where io_uring_setup fails: restrict.py ENOSYS|EPERM COMMAND...

A seccomp filter answers that one system call with the error, as an old kernel (ENOSYS), a container
profile or kernel.io_uring_disabled=2 (EPERM) does. The filter survives exec; everything else works.
"""
import ctypes
import errno
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
SYSCALL_IO_URING_SETUP = 425  # the same number on every architecture
LOAD_SYSCALL_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
SECCOMP_ALLOW, SECCOMP_ERRNO = 0x7FFF0000, 0x00050000


def instruction(code, jump_true, jump_false, value):
    return struct.pack("HBBI", code, jump_true, jump_false, value)


def deny_io_uring(error):
    program = b"".join([
        instruction(LOAD_SYSCALL_NUMBER, 0, 0, 0),
        instruction(JUMP_IF_EQUAL, 0, 1, SYSCALL_IO_URING_SETUP),
        instruction(RETURN, 0, 0, SECCOMP_ERRNO | error),
        instruction(RETURN, 0, 0, SECCOMP_ALLOW)])
    buffer = ctypes.create_string_buffer(program)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


if __name__ == "__main__":
    deny_io_uring(getattr(errno, sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
