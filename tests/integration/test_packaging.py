"""What the Debian package ships, and that it comes and goes without a trace."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PACKAGING = ROOT / "tools" / "packaging"
COULD_NOT_RUN = 77


def test_shipped_configuration_is_a_good_one(hopgate):
    done = hopgate("check", "-c", PACKAGING / "kong.conf", PACKAGING / "hopgate.yaml")
    assert (done.code, done.err) == (0, "")


def test_shipped_configuration_is_sandboxed_and_opens_nothing_to_others():
    conf = (PACKAGING / "kong.conf").read_text()
    assert "\nhopgate_sandbox = auto\n" in conf
    assert re.findall(r"^\w+_listen = (.*)$", conf, re.M) == ["127.0.0.1:8000", "off", "127.0.0.1:8100"]


@pytest.fixture
def unit(tmp_path, binary):
    """The unit with the binary under test in its place, so that only what the unit says is judged."""
    text = (PACKAGING / "hopgate.service").read_text().replace("/usr/bin/hopgate", str(binary))
    path = tmp_path / "hopgate.service"
    path.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.M))
    if not shutil.which("systemd-analyze"):
        pytest.skip("not run: systemd-analyze is not installed")
    return path


def test_systemd_understands_every_line_of_the_unit(unit):
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False)
    # users and dependencies are the installed system's
    said = [line for line in done.stderr.splitlines() if "hopgate.service" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_unit_leaves_little_to_attack(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", unit],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_scripts_of_the_package_are_good_shell(script):
    done = subprocess.run(["sh", "-n", PACKAGING / "debian" / script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long
@pytest.mark.serial
def test_package_installs_starts_upgrades_and_purges_in_a_scratch_root():
    done = subprocess.run([PACKAGING / "check"], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode == COULD_NOT_RUN:
        pytest.skip(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert done.stdout.splitlines()[-1].startswith("ok: ")
