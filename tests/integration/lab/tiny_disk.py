#!/usr/bin/python3
"""Runs a command whose directory is a file system of its own: tiny_disk.py DIRECTORY SIZE COMMAND...

The mount lives in a namespace of the command and ends with it. Needs unprivileged user namespaces, or root.
"""
import ctypes
import os
import sys

CLONE_NEWNS, CLONE_NEWUSER, MS_REC, MS_PRIVATE = 0x00020000, 0x10000000, 0x4000, 1 << 18


def call(function, *arguments):
    if function(*arguments) != 0:
        raise OSError(ctypes.get_errno(), function.__name__)


def mount_tiny(directory, size):
    libc = ctypes.CDLL(None, use_errno=True)
    uid, gid = os.getuid(), os.getgid()
    call(libc.unshare, CLONE_NEWNS | (0 if uid == 0 else CLONE_NEWUSER))
    if uid != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    call(libc.mount, b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    call(libc.mount, b"tiny", os.fsencode(directory), b"tmpfs", 0, f"size={size}".encode())


if __name__ == "__main__":
    mount_tiny(sys.argv[1], sys.argv[2])
    if len(sys.argv) > 3:
        os.execv(sys.argv[3], sys.argv[3:])
