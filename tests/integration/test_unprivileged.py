"""An ordinary user with the default limit on locked memory runs a whole chain."""
import os

from lab.lab import NOBODY, service_to

DEFAULT_MEMLOCK_BYTES = 8 * 1024 * 1024  # of the kernel and of systemd in Debian 12
HOPS = 5


def test_ordinary_user_runs_five_hops(lab):
    user = NOBODY if os.getuid() == 0 else None
    lab.directory = lab.user_directory()
    lab.copy_binary(lab.directory)
    wrapper = ["/usr/bin/prlimit", f"--memlock={DEFAULT_MEMLOCK_BYTES}:{DEFAULT_MEMLOCK_BYTES}"]
    target = lab.origin(content=b"through five")
    for number, persona in enumerate(["f5", "kong", "f5", "kong", "edge"]):
        hop = lab.make_hop(service_to(target), persona=persona, name=f"hop{number}", user=user, wrapper=wrapper,
                           conf={"nginx_worker_processes": "auto"})
        target = hop.start()
    assert len(lab.hops) == HOPS
    client = lab.client(target)
    assert [client.get("/").content for _ in range(3)] == [b"through five"] * 3
    if user:
        assert {os.stat(f"/proc/{hop.process.pid}").st_uid for hop in lab.hops} == {user}
