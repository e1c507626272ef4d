"""Ansible's uri module deploys to the Admin API; the second time there is nothing to do."""
import os
import pathlib
import re
import shutil

import pytest

from lab.admin import Admin, admin_hop
from lab.client import run

PLAYBOOK = pathlib.Path(__file__).parents[1] / "data" / "ansible-uri.yaml"


def play(hop, origin, home):
    """(code, changed, text)"""
    admin = "http://{}:{}".format(*hop.admin_listeners["http"])
    environment = {**os.environ, "HOME": str(home), "ANSIBLE_LOCAL_TEMP": str(home), "ANSIBLE_REMOTE_TEMP": str(home),
                   "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8", "no_proxy": "*"}
    done = run("ansible-playbook", "-i", "localhost,", "-e", f"admin={admin}", "-e", f"origin_port={origin.port}",
               "-e", "ansible_python_interpreter=/usr/bin/python3", PLAYBOOK, env=environment, cwd=home, deadline_s=300)
    changed = re.search(r"changed=(\d+)", done.out)
    return done.code, int(changed[1]) if changed else None, done.out + done.err


@pytest.mark.slow
@pytest.mark.timeout(600)  # a new Python for each task
def test_deployed_twice_is_changed_once(lab, tmp_path):
    if not shutil.which("ansible-playbook"):
        pytest.skip("ansible-playbook is not installed (Debian's ansible-core)")
    origin = lab.origin(content=b"the shop")
    hop = admin_hop(lab).start()
    code, changed, text = play(hop, origin, tmp_path)
    assert (code, changed) == (0, 4), text  # tasks: service, routes, plugins, plugin
    assert lab.client(hop).get("/shop").content == b"the shop"
    admin = Admin(lab, hop)
    before = {name: admin.must("GET", f"/{name}") for name in ("services", "routes", "plugins")}
    assert {plugin["name"] for plugin in before["plugins"]["data"]} == {"rate-limiting", "cors", "key-auth"}
    code, changed, text = play(hop, origin, tmp_path)
    assert (code, changed) == (0, 0), text
    assert {name: admin.must("GET", f"/{name}") for name in before} == before
