"""Ansible's uri module deploys to the Admin API; the second time there is nothing to do."""
import os
import pathlib
import re
import shutil

import pytest

from lab.admin import Admin, admin_hop
from lab.client import run

DATA = pathlib.Path(__file__).parents[1] / "data"


def play(playbook, hop, origin, home, **variables):
    """(code, changed, text)"""
    admin = "http://{}:{}".format(*hop.admin_listeners["http"])
    environment = {**os.environ, "HOME": str(home), "ANSIBLE_LOCAL_TEMP": str(home), "ANSIBLE_REMOTE_TEMP": str(home),
                   "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8", "no_proxy": "*"}
    more = [word for name, value in variables.items() for word in ("-e", f"{name}={value}")]
    done = run("ansible-playbook", "-i", "localhost,", "-e", f"admin={admin}", "-e", f"origin_port={origin.port}", *more,
               "-e", "ansible_python_interpreter=/usr/bin/python3", DATA / playbook, env=environment, cwd=home, deadline_s=300)
    changed = re.search(r"changed=(\d+)", done.out)
    return done.code, int(changed[1]) if changed else None, done.out + done.err


def needs_ansible():
    if not shutil.which("ansible-playbook"):
        pytest.skip("ansible-playbook is not installed (Debian's ansible-core)")


@pytest.mark.slow
@pytest.mark.timeout(600)  # a new Python for each task
def test_deployed_twice_is_changed_once(lab, tmp_path):
    needs_ansible()
    origin = lab.origin(content=b"the shop")
    hop = admin_hop(lab).start()
    code, changed, text = play("ansible-uri.yaml", hop, origin, tmp_path)
    assert (code, changed) == (0, 4), text  # tasks: service, routes, plugins, plugin
    admin = Admin(lab, hop)
    before = {name: admin.must("GET", f"/{name}") for name in ("services", "routes", "plugins")}
    assert {plugin["name"] for plugin in before["plugins"]["data"]} == {"rate-limiting", "cors", "key-auth"}
    code, changed, text = play("ansible-uri.yaml", hop, origin, tmp_path)
    assert (code, changed) == (0, 0), text
    assert {name: admin.must("GET", f"/{name}") for name in before} == before
    assert lab.client(hop).get("/shop").content == b"the shop"  # last: an origin does not wait as long as a play takes


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_upstreams_consumers_and_certificates_too(lab, tmp_path):
    needs_ansible()
    origin = lab.origin(content=b"the shop")
    hop = admin_hop(lab, tls=True).start()
    pki = lab.pki
    playbook = ("ansible-uri-entities.yaml", hop, origin, tmp_path)
    files = {"certificate": pki.chain("wild"), "certificate_key": pki.key("wild")}
    code, changed, text = play(*playbook, **files)
    assert (code, changed) == (0, 5), text  # upstream, targets, consumer, key, certificate
    admin = Admin(lab, hop)
    names = ("upstreams", "upstreams/shop-servers/targets", "consumers", "key-auths", "certificates", "snis")
    before = {name: admin.must("GET", f"/{name}") for name in names}
    assert [len(page["data"]) for page in before.values()] == [1, 2, 1, 1, 1, 1]
    code, changed, text = play(*playbook, **files)
    assert (code, changed) == (0, 0), text
    assert {name: admin.must("GET", f"/{name}") for name in names} == before
    assert lab.client(hop).get("/shop", fields=[("Host", "shop.example")]).content == b"the shop"
