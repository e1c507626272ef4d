"""What README.md shows works as it stands."""
import pathlib
import re

README = pathlib.Path(__file__).parents[2] / "README.md"


def test_first_configuration_is_a_good_one(hopgate, lab, tmp_path):
    text = README.read_text()
    declarative = re.search(r"```yaml\n(.*?)```", text, re.S).group(1)
    conf = re.search(r"`kong.conf`:\n\n```\n(.*?)```", text, re.S).group(1)
    conf = conf.replace("/etc/hopgate/shop.pem", str(lab.pki.chain("edge")))
    conf = conf.replace("/etc/hopgate/shop.key", str(lab.pki.key("edge")))
    (tmp_path / "kong.yaml").write_text(declarative)
    (tmp_path / "kong.conf").write_text(conf)
    done = hopgate("check", "-c", tmp_path / "kong.conf", tmp_path / "kong.yaml")
    assert (done.code, done.err) == (0, "")


def test_every_key_of_our_own_is_known(hopgate, tmp_path):
    keys = re.findall(r"^\| `(hopgate_\w+)` \|", README.read_text(), re.M)
    assert len(keys) >= 7
    (tmp_path / "kong.conf").write_text("".join(f"{key} = surely wrong\n" for key in keys))
    said = hopgate("check", "-c", tmp_path / "kong.conf").err
    assert "unknown key" not in said
